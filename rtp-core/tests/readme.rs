//! Every test that the README names is there.
#![allow(clippy::unwrap_used)] // a test may

use std::path::Path;

/// What stands between backticks in a cell.
fn names(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
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
            let exists = match name.split_once("::") {
                Some((file, test)) => {
                    let folder = if file.starts_with("src/") {
                        ""
                    } else {
                        "tests/"
                    };
                    let path = root.join(format!("{folder}{file}.rs"));
                    let code = std::fs::read_to_string(&path).unwrap_or_default();
                    code.contains(&format!("fn {test}("))
                }
                // Another workspace, which a package does not hold.
                None if name.starts_with("interop/") => {
                    let beside = root.join("..").join(name);
                    beside.exists() || !root.join("../interop").exists()
                }
                // A fuzz target.
                None if !name.starts_with("--") => {
                    root.join(format!("tests/fuzz/{name}.rs")).exists()
                }
                None => true,
            };
            assert!(exists, "the README names {name}, which is not there");
            found = true;
            checked += 1;
        }
        assert!(found, "nothing shows {claim}");
    }
    assert!(checked >= 90, "{checked}");
}
