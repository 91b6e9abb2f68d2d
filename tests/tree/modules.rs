//! No dependency cycle between modules, so that a module can be read and changed without those that use it.
//!
//! The test looks for cycles among the top-level modules of each crate, including its root file, and among the child
//! modules of each folder. There it ignores the folder's own file, `mod.rs`: a type in it often has fields from its
//! children and methods in their files, as `Issuer`, `KeyCache` and `ResourceServer` do.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::files::{Files, in_memory, rust_files, source_directories};
use crate::module_tree::{Crate, Dependency};

/// Maps each child module of a folder to the siblings that it uses, and where. The empty name is the crate's root.
type Graph<'a> = BTreeMap<&'a str, BTreeMap<&'a str, Vec<&'a str>>>;

#[test]
fn no_cycle_between_modules() {
    let files = rust_files();
    assert!(roots(&files).iter().any(|root| root == "src/lib.rs"), "the source is missing");
    let problems = problems(&files);
    assert!(problems.is_empty(), "{}", problems.join("\n\n"));
}

fn problems(files: &Files) -> Vec<String> {
    let mut problems = Vec::new();
    for root in roots(files) {
        let package = Crate::read(files, &root);
        let globs = package.globs();
        problems.extend(globs.iter().map(|glob| format!("{glob}: import each name, so that this test sees its use")));
        let dependencies = package.dependencies();
        for folder in package.folders() {
            let graph = graph(&dependencies, &folder);
            problems.extend(cycles(&graph).iter().map(|cycle| describe(cycle, &graph, package.file(&folder))));
        }
    }
    problems
}

/// The root files of all libraries and binaries.
fn roots(files: &Files) -> Vec<String> {
    let is_root = |inside: &str| match inside.strip_prefix("bin/").map(|binary| binary.split_once('/')) {
        Some(Some((_, file))) => file == "main.rs",
        Some(None) => true,
        None => matches!(inside, "lib.rs" | "main.rs"),
    };
    let mut found = Vec::new();
    for directory in source_directories(files) {
        let prefix = format!("{directory}/");
        found.extend(files.keys().filter(|path| path.strip_prefix(&prefix).is_some_and(is_root)).cloned());
    }
    found
}

fn graph<'a>(dependencies: &'a [Dependency], folder: &[String]) -> Graph<'a> {
    let node = |module: &'a [String]| match module.strip_prefix(folder)?.first() {
        Some(child) => Some(child.as_str()),
        None => folder.is_empty().then_some(""),
    };
    let mut graph = Graph::new();
    for dependency in dependencies {
        let (Some(from), Some(to)) = (node(&dependency.from), node(&dependency.to)) else { continue };
        if from != to {
            graph.entry(from).or_default().entry(to).or_default().push(dependency.place.as_str());
        }
    }
    graph
}

/// The shortest cycle through each module that is part of one.
fn cycles<'a>(graph: &Graph<'a>) -> Vec<Vec<&'a str>> {
    let mut seen = BTreeSet::new();
    let found = graph.keys().filter_map(|start| shortest_cycle(graph, start));
    found.filter(|cycle| seen.insert(cycle.iter().copied().collect::<BTreeSet<_>>())).collect()
}

fn shortest_cycle<'a>(graph: &Graph<'a>, start: &'a str) -> Option<Vec<&'a str>> {
    let mut paths = VecDeque::from([vec![start]]);
    let mut reached = BTreeSet::new();
    while let Some(path) = paths.pop_front() {
        for next in graph.get(path.last()?).into_iter().flat_map(BTreeMap::keys) {
            if *next == start {
                return Some(path);
            }
            if reached.insert(*next) {
                paths.push_back([path.as_slice(), &[*next]].concat());
            }
        }
    }
    None
}

fn describe(cycle: &[&str], graph: &Graph<'_>, folder: &str) -> String {
    let mut text = format!("a cycle of modules in {folder}:");
    for (index, from) in cycle.iter().enumerate() {
        let to = cycle[(index + 1) % cycle.len()];
        let name = |node: &str| if node.is_empty() { "the root".to_owned() } else { format!("`{node}`") };
        text += &format!("\n  {} uses {}", name(from), name(to));
        let places = &graph[from][to];
        for place in places.iter().take(4) {
            text += &format!("\n    {place}");
        }
        if places.len() > 4 {
            text += &format!("\n    and {} more", places.len() - 4);
        }
    }
    text
}

#[track_caller]
fn assert_cycles(files: &[(&str, &str)], expected: &[&[&str]]) {
    let found = problems(&in_memory(files));
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for (problem, parts) in found.iter().zip(expected) {
        for part in *parts {
            assert!(problem.contains(part), "{part} is not in:\n{problem}");
        }
    }
}

/// One crate with the modules `a` and `b`.
#[track_caller]
fn assert_cycle(a: &str, b: &str, expected: bool) {
    let files = [("src/lib.rs", "mod a; mod b; pub use a::A; pub use b::B;"), ("src/a.rs", a), ("src/b.rs", b)];
    let expected: &[&[&str]] = if expected { &[&["`a` uses `b`", "`b` uses `a`"]] } else { &[] };
    assert_cycles(&files, expected);
}

#[test]
fn a_cycle_is_found_in_every_form_of_path() {
    for a in [
        "use crate::b::B;",
        "use crate::{std, b::{self, B}};",
        "use crate::B;",
        "use super::b::B as C;",
        "use super::B;",
        "use crate as root; fn f(x: root::b::B) {}",
        "use crate::b;",
        "pub use crate::b::B;",
        "pub(crate) use super::b::{B};",
        "fn f() { let x = crate::b::B::new(); }",
        "fn f() { use crate::b::B; }",
        "fn f(x: super::B) {}",
        "fn f<'a>(x: &'a crate::B) {}",
        "impl From<crate::b::B> for A {}",
        "mod inner { use super::super::b::B; }",
        "mod inner { fn f() { crate::B::new() } }",
        "#[error(\"{}\", crate::b::B)] struct A;",
        "macro_rules! m { () => { $crate::b::B } }",
        "struct A(pub (crate::b::B, u8));",
        "fn f() -> impl Sized + use<> { crate::b::B }",
        "#[cfg(not(test))] use crate::b::B;",
        "#[cfg(feature = \"x\")] use crate::b::B;",
        "#[cfg(test)] mod tests { } use crate::b::B;",
    ] {
        assert_cycle(a, "use crate::a::A;", true);
    }
}

#[test]
fn text_that_uses_no_other_module_makes_no_cycle() {
    for a in [
        "",
        "// use crate::b::B;",
        "/// See [`crate::b::B`].\nstruct A;",
        "const A: &str = \"crate::b::B\";",
        "#[cfg(test)] mod tests { use crate::b::B; }",
        "#[cfg(test)] use crate::b::B;",
        "#[cfg(all(test, unix))] fn f() -> crate::b::B {}",
        "pub(in crate::b) struct A;",
        "pub(in crate::b) use std::fmt;",
        "use std::b::B;",
        "use ::b::B;",
        "use b::B;",
        "fn f() { x.b::<B>() }",
        "use crate::a::A;",
        "use super::A;",
    ] {
        assert_cycle(a, "use crate::a::A;", false);
    }
    assert_cycle("use crate::b::B;", "use std::fmt;", false);
}

#[test]
fn cycles_within_a_folder_and_through_several_modules_are_found() {
    let lib = ("src/lib.rs", "mod f;");
    let through_parent = [
        lib,
        ("src/f/mod.rs", "mod a; mod b; pub use a::A; use b::B; struct F(A, B);"),
        ("src/f/a.rs", "use super::B;"),
        ("src/f/b.rs", "use super::A;"),
    ];
    assert_cycles(&through_parent, &[&["src/f/mod.rs", "`a` uses `b`", "src/f/a.rs:1: super::B, in src/f/b.rs"]]);

    let deep = [
        lib,
        ("src/f.rs", "mod a; mod b; mod c;"),
        ("src/f/a.rs", "mod x;"),
        ("src/f/a/x.rs", "use super::super::b::y::Y;"),
        ("src/f/b/mod.rs", "pub(super) mod y;"),
        ("src/f/b/y.rs", "\nuse crate::f::c::C;"),
        ("src/f/c.rs", "use super::a::A;"),
    ];
    let expected = ["src/f.rs", "`a` uses `b`", "`b` uses `c`", "src/f/b/y.rs:2: crate::f::c::C, in src/f/c.rs"];
    assert_cycles(&deep, &[&expected]);
}

#[test]
fn re_exports_lead_to_the_module_that_defines_the_item() {
    // A folder re-exports items of its children, and the crate items of its modules.
    let of_children = [
        ("src/lib.rs", "mod f; mod g; pub use f::A;"),
        ("src/f/mod.rs", "mod a; mod b; pub use a::A; pub use b::B;"),
        ("src/f/a.rs", "use super::B;"),
        ("src/f/b.rs", "use crate::g::G;"),
        ("src/g.rs", "pub struct G;"),
    ];
    assert_cycles(&of_children, &[]);
    // A feature decides which module a name comes from.
    let chosen = [
        ("src/lib.rs", "mod a; mod b; mod c;"),
        ("src/a.rs", "#[cfg(x)] pub use crate::b::X; #[cfg(not(x))] pub use crate::c::X;"),
        ("src/b.rs", "use crate::c::Z;"),
        ("src/c.rs", "fn f() -> crate::a::X {}"),
    ];
    let expected: [&[&str]; 2] =
        [&["`a` uses `c`", "`c` uses `a`"], &["`b` uses `c`", "`c` uses `b`", "src/c.rs:1: crate::a::X, in src/b.rs"]];
    assert_cycles(&chosen, &expected);
    // Resolving imports that refer to themselves ends.
    assert_cycle("use a::A; use self::x::y; use y::x;", "use crate::a::{A, x::z};", false);
}

#[test]
fn the_file_of_a_folder_is_ignored_and_the_root_of_a_crate_is_not() {
    let parent = ("src/f/mod.rs", "mod a; use a::A; pub struct F(A);");
    assert_cycles(&[("src/lib.rs", "mod f;"), parent, ("src/f/a.rs", "use super::F;")], &[]);
    let root = ("crates/x/src/main.rs", "mod a; fn main() { a::run(); }");
    assert_cycles(&[root, ("crates/x/src/a.rs", "use crate::Failure;")], &[&["`a` uses the root", "main.rs"]]);
    for uses_nothing in ["use crate as root;", "use std::fmt;"] {
        assert_cycles(&[root, ("crates/x/src/a.rs", uses_nothing)], &[]);
    }
    for extern_crate in ["mod a; use ::a::X;", "mod a; use ::{a::X};", "mod a; fn main(x: ::a::X) {}"] {
        assert_cycles(&[("src/main.rs", extern_crate), ("src/a.rs", "use crate::Failure;")], &[]);
    }
    let inline = ("src/f.rs", "mod a; mod inline { use super::a::A; pub struct I; }");
    assert_cycles(&[("src/lib.rs", "mod f;"), inline, ("src/f/a.rs", "use super::inline::I;")], &[]);
    let binary = ("src/bin/x/main.rs", "mod a; fn main() { a::run(); }");
    assert_cycles(&[binary, ("src/bin/x/a.rs", "use crate::Failure;")], &[&["`a` uses the root"]]);
    let facade = ("src/lib.rs", "mod a; pub use a::A;");
    assert_cycles(&[facade, ("src/a.rs", "use crate::{A, B};")], &[]);
}

#[test]
fn a_glob_import_of_a_module_is_reported() {
    let glob = |text| [("src/lib.rs", "mod a; mod b; pub use a::Kind;"), ("src/a.rs", text), ("src/b.rs", "")];
    assert_cycles(&glob("use crate::b::*;"), &[&["src/a.rs:1: crate::b::*"]]);
    for allowed in ["use std::fmt::*;", "use crate::Kind::*;", "#[cfg(test)] mod tests { use super::*; }"] {
        assert_cycles(&glob(allowed), &[]);
    }
}
