//! Source files are short enough to be read in one go.

use crate::files::{Files, rust_files, source_directory};

const MOST_LINES: usize = 350;

#[test]
fn no_file_of_the_source_is_too_long() {
    let files = rust_files();
    assert!(files.keys().filter(|path| source_directory(path).is_some()).count() > 50, "most of the source is missing");
    let offenders = offenders(&files);
    assert!(offenders.is_empty(), "longer than {MOST_LINES} lines, split by ideas:\n{}", offenders.join("\n"));
}

fn offenders(files: &Files) -> Vec<String> {
    let of_source = files.iter().filter(|(path, _)| source_directory(path).is_some());
    let counted = of_source.map(|(path, text)| (path, text.lines().count()));
    counted.filter(|(_, lines)| *lines > MOST_LINES).map(|(path, lines)| format!("{path}: {lines}")).collect()
}

#[test]
fn lines_are_counted_in_the_source_of_every_package() {
    let (full, over) = ("\n".repeat(350), "\n".repeat(351));
    let files = crate::files::in_memory(&[
        ("crates/a/src/b/over.rs", &over),
        ("crates/a/tests/over.rs", &over),
        ("src/full.rs", &full),
        ("src/over.rs", &over),
        ("tests/over.rs", &over),
    ]);
    assert_eq!(offenders(&files), ["crates/a/src/b/over.rs: 351", "src/over.rs: 351"]);
}
