//! Every test that the README's table of claims names exists.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::path::Path;

#[test]
fn every_claim_names_a_test_that_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = std::fs::read_to_string(root.join("README.md")).unwrap();
    let (_, table) = readme.split_once("| claim |").unwrap();
    let mut rows = 0;
    for line in table
        .lines()
        .skip(2)
        .take_while(|line| line.starts_with("| "))
    {
        let mut named = 0;
        // Tests stand in the last column.
        let last = line.trim_end_matches(" |").rsplit(" | ").next().unwrap();
        for (file, test) in last.split('`').filter_map(|part| part.split_once("::")) {
            let path = root.join(file);
            let source = std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{file}: {e}"));
            let flat: String = source
                .lines()
                .map(|line| format!("{}\n", line.trim()))
                .collect();
            let mark = format!("#[test]\nfn {test}(");
            assert!(flat.contains(&mark), "{file} has no test {test}");
            named += 1;
        }
        assert!(named > 0, "no test: {line}");
        rows += 1;
    }
    assert!(rows > 20, "{rows} rows were read");
}
