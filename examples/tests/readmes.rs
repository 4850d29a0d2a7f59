//! Whatever the crates' READMEs say is shown by a test is shown by one that is there.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

use std::path::{Path, PathBuf};

/// The files that a name may stand for: of the crate, below its `tests`, or of the repository.
fn files(root: &Path, krate: &Path, name: &str) -> Option<PathBuf> {
    let places = [
        krate.to_owned(),
        krate.join("tests"),
        krate.join("tests/fuzz"),
        root.to_owned(),
    ];
    let mut paths = places
        .iter()
        .flat_map(|place| [place.join(name), place.join(format!("{name}.rs"))]);
    paths.find(|path| path.is_file())
}

/// Whether a name stands for something: `file::test`, a file, or a fuzz target.
fn is_there(root: &Path, krate: &Path, name: &str) -> bool {
    let Some((file, test)) = name.split_once("::") else {
        return files(root, krate, name).is_some();
    };
    let Some(file) = files(root, krate, file) else {
        return false;
    };
    let code = std::fs::read_to_string(file).unwrap();
    let head = format!("fn {test}(");
    code.lines().any(|line| {
        let line = line.trim_start().trim_start_matches("async ");
        line.starts_with(&head)
    })
}

/// The rows of every table of claims, whose header ends in `shown by`, with their last cells.
fn shown_by(readme: &str) -> Vec<(&str, &str)> {
    let (mut rows, mut inside) = (Vec::new(), false);
    for line in readme.lines() {
        let row = line
            .strip_prefix("| ")
            .and_then(|row| row.strip_suffix(" |"));
        let last = row.and_then(|row| row.rsplit(" | ").next());
        match last {
            Some("shown by") => inside = line.contains("| claim |"),
            Some(last) if inside => rows.push((line, last)),
            Some(_) => {}
            None => inside &= line.starts_with("|--"),
        }
    }
    rows
}

#[test]
fn every_test_that_a_readme_names_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    // A table that lost its header would show nothing.
    for (name, least) in [
        ("sip-core", 120),
        ("rtp-core", 30),
        ("media-mix", 20),
        ("signaling", 14),
        ("token", 10),
    ] {
        let krate = root.join(name);
        let readme = std::fs::read_to_string(krate.join("README.md")).unwrap();
        let rows = shown_by(&readme);
        assert!(rows.len() >= least, "{name}: {} rows", rows.len());
        for (row, cell) in rows {
            let names: Vec<_> = cell.split('`').skip(1).step_by(2).collect();
            assert!(!names.is_empty(), "{name}: nothing shows {row}");
            for test in names {
                assert!(
                    is_there(&root, &krate, test),
                    "{name}/README.md names {test}, which is not there"
                );
            }
        }
    }
}
