//! Every test that the README's table of RFCs names exists.
#![allow(clippy::unwrap_used)]

use std::path::Path;

#[test]
fn every_row_names_a_test_that_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = std::fs::read_to_string(root.join("README.md")).unwrap();
    let (_, table) = readme.split_once("\n## What it follows\n").unwrap();
    let mut rows = 0;
    for line in table
        .lines()
        .filter(|line| line.starts_with("| ") && !line.starts_with("| RFC"))
    {
        let named = line
            .rsplit('`')
            .nth(1)
            .unwrap_or_else(|| panic!("no test: {line}"));
        let (file, test) = named
            .split_once("::")
            .unwrap_or_else(|| panic!("no test: {line}"));
        let source =
            std::fs::read_to_string(root.join(file)).unwrap_or_else(|e| panic!("{file}: {e}"));
        let marks = [
            format!("#[test]\nfn {test}("),
            format!("#[tokio::test]\nasync fn {test}("),
        ];
        let flat: String = source
            .lines()
            .map(|line| format!("{}\n", line.trim()))
            .collect();
        let exists = marks.iter().any(|mark| flat.contains(mark));
        assert!(exists, "{file} has no test {test}");
        rows += 1;
    }
    assert!(rows > 100, "{rows} rows were read");
}
