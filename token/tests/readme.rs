//! Every test that the README names is there.
#![allow(missing_docs, clippy::unwrap_used)]

use std::path::Path;

/// What stands between backticks in a cell.
fn names(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

/// Whether a name stands for something: `file::test`, a fuzz target, or a file of another part of the repository, which
/// a package does not hold.
fn is_there(root: &Path, name: &str) -> bool {
    if let Some((file, test)) = name.split_once("::") {
        let (outside, folder) = match file {
            file if file.starts_with("src/") => (false, root.to_owned()),
            file if file.starts_with("examples/") || file.starts_with("interop/") => {
                (true, root.join(".."))
            }
            _ => (false, root.join("tests")),
        };
        let code = std::fs::read_to_string(folder.join(format!("{file}.rs"))).unwrap_or_default();
        return code.contains(&format!("fn {test}("))
            || (outside && !folder.join("interop").exists());
    }
    if name.contains('/') {
        return root.join("..").join(name).exists() || !root.join("../interop").exists();
    }
    root.join(format!("tests/fuzz/{name}.rs")).exists()
}

#[test]
fn every_test_that_the_readme_names_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = std::fs::read_to_string(root.join("README.md")).unwrap();
    let mut checked = 0;
    for row in readme.lines().filter(|line| line.starts_with("| ")) {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [_, claim, _, shown] = cells[..] else {
            continue;
        };
        if claim == "claim" {
            continue;
        }
        let mut found = false;
        for name in names(shown) {
            assert!(
                is_there(root, name),
                "the README names {name}, which is not there"
            );
            found = true;
            checked += 1;
        }
        assert!(found, "nothing shows {claim}");
    }
    assert!(checked >= 25, "{checked}");
}
