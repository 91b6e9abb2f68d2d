//! The files of the tree.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// Texts of files by their paths from the root, with `/` on every system.
pub(crate) type Files = BTreeMap<String, String>;

/// Every Rust file of the repository, including those of all its packages.
pub(crate) fn rust_files() -> Files {
    let mut files = Files::new();
    collect(root(), "", &mut files);
    files
}

/// The directories with the source of a package: `src` and `crates/*/src`.
pub(crate) fn source_directories(files: &Files) -> Vec<&str> {
    let mut directories: Vec<_> = files.keys().filter_map(|path| source_directory(path)).collect();
    directories.dedup();
    directories
}

/// The part of a path that is a package's source directory.
pub(crate) fn source_directory(path: &str) -> Option<&str> {
    let in_package = match path.strip_prefix("crates/") {
        Some(rest) => rest.split_once('/')?.1,
        None => path,
    };
    let inside = in_package.strip_prefix("src/")?;
    Some(&path[..path.len() - inside.len() - 1])
}

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

fn collect(directory: &Path, prefix: &str, files: &mut Files) {
    for entry in fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        let path = format!("{prefix}{name}");
        if entry.file_type().unwrap().is_dir() {
            if !name.starts_with('.') && !matches!(name.as_str(), "target" | "node_modules") {
                collect(&entry.path(), &format!("{path}/"), files);
            }
        } else if name.ends_with(".rs") {
            files.insert(path, fs::read_to_string(entry.path()).unwrap());
        }
    }
}

/// A tree that exists only in a test.
pub(crate) fn in_memory(files: &[(&str, &str)]) -> Files {
    files.iter().map(|(path, text)| (path.to_string(), text.to_string())).collect()
}

#[test]
fn the_source_of_each_package_is_found() {
    let files = in_memory(&[
        ("benches/a.rs", ""),
        ("crates/a/src/lib.rs", ""),
        ("crates/a/src/x/y.rs", ""),
        ("crates/a/tests/src/z.rs", ""),
        ("crates/b/src/main.rs", ""),
        ("src/lib.rs", ""),
        ("tests/src/lib.rs", ""),
    ]);
    assert_eq!(source_directories(&files), ["crates/a/src", "crates/b/src", "src"]);
}

#[test]
fn this_file_is_read_and_build_output_is_not() {
    let files = rust_files();
    assert!(files.contains_key("tests/tree/files.rs"));
    assert!(files.contains_key("src/lib.rs"));
    assert!(!files.keys().any(|path| path.contains("target/")));
}
