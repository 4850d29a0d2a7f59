//! Where the built examples lie.

use std::path::PathBuf;

/// The built example of this name.
///
/// A test lies in target/PROFILE/deps; cargo builds the examples beside it before it runs any.
pub(crate) fn program(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a test knows where it is");
    let deps = test.parent().expect("a file is in a folder");
    let program = deps
        .with_file_name("examples")
        .join(name)
        .with_extension(std::env::consts::EXE_EXTENSION);
    assert!(
        program.exists(),
        "{} is not built; run cargo test without --test",
        program.display()
    );
    program
}
