//! The modules of a crate, and the items of other modules that each of them names.
//!
//! Paths are resolved as the compiler does it, through `use` declarations and re-exports, to the module that defines
//! the item. Whatever takes type information is not seen (methods, fields, trait implementations), nor are paths in
//! literals such as serde's `with = "…"`.

use std::collections::{BTreeMap, BTreeSet};
use std::slice;

use crate::files::Files;
use crate::tokens::{Token, group_length, outside_tests, starts_with, tokens};

/// The names of the modules from the root of the crate to this one; empty for the root.
pub(crate) type ModulePath = Vec<String>;

pub(crate) struct Crate {
    modules: BTreeMap<ModulePath, Module>,
}

/// A module names an item that another module defines.
pub(crate) struct Dependency {
    pub(crate) from: ModulePath,
    pub(crate) to: ModulePath,
    /// The line, the path as written, and the file that defines the item.
    pub(crate) place: String,
}

#[derive(Default)]
struct Module {
    file: String,
    is_inline: bool,
    /// The paths that `use` declarations bind to a name: several where features choose one.
    bindings: BTreeMap<String, Vec<Vec<String>>>,
    mentions: Vec<Mention>,
    /// The words outside of `use` declarations.
    words: BTreeSet<String>,
}

struct Mention {
    path: Vec<String>,
    line: usize,
    kind: MentionKind,
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum MentionKind {
    /// In code or a private import.
    Use,
    ReExport,
    /// `use module::*`.
    Glob,
}

enum Target {
    Module(ModulePath),
    /// An item that this module defines.
    ItemOf(ModulePath),
}

impl Target {
    fn module(&self) -> &ModulePath {
        let (Self::Module(module) | Self::ItemOf(module)) = self;
        module
    }
}

/// A module's file, and the directory of its children's files.
struct Place {
    module: ModulePath,
    file: String,
    directory: String,
}

impl Crate {
    /// Reads the crate whose root is this file, following its `mod` declarations.
    pub(crate) fn read(files: &Files, root: &str) -> Self {
        let directory = root.rsplit_once('/').map_or("", |(directory, _)| directory).to_owned();
        let mut modules = BTreeMap::new();
        let mut places = vec![Place { module: Vec::new(), file: root.to_owned(), directory }];
        while let Some(place) = places.pop() {
            let text = files.get(&place.file).unwrap_or_else(|| panic!("{} is missing", place.file));
            let tokens = outside_tests(&tokens(text));
            let mut parser = Parser { files, place: &place, modules: &mut modules, declared: Vec::new() };
            parser.module(&tokens, place.module.clone(), &place.directory, false);
            places.append(&mut parser.declared);
        }
        Self { modules }
    }

    /// The modules that have children.
    pub(crate) fn folders(&self) -> BTreeSet<ModulePath> {
        self.modules.keys().filter_map(|path| Some(path.split_last()?.1.to_vec())).collect()
    }

    pub(crate) fn file(&self, module: &[String]) -> &str {
        &self.modules[module].file
    }

    /// The dependencies between modules that have a file of their own.
    pub(crate) fn dependencies(&self) -> Vec<Dependency> {
        let mut found = Vec::new();
        for (path, module) in &self.modules {
            let from = self.with_file(path);
            for mention in module.mentions.iter().filter(|mention| mention.kind != MentionKind::Glob) {
                for target in self.resolve(path, &mention.path) {
                    let to = match target {
                        // Naming an enclosing module is no dependency; the rest of a path may be.
                        Target::Module(to) if path.starts_with(&to) => continue,
                        Target::Module(to) | Target::ItemOf(to) => self.with_file(&to),
                    };
                    let is_facade = mention.kind == MentionKind::ReExport
                        && to.starts_with(&from)
                        && mention.path.last().is_some_and(|name| !module.words.contains(name));
                    if to != from && !is_facade {
                        let (file, name) = (&module.file, mention.path.join("::"));
                        let place = format!("{file}:{}: {name}, in {}", mention.line, self.file(&to));
                        found.push(Dependency { from: from.clone(), to, place });
                    }
                }
            }
        }
        found
    }

    /// Glob imports of this crate's modules: the text does not show which items they bring.
    pub(crate) fn globs(&self) -> Vec<String> {
        let mentions = self
            .modules
            .iter()
            .flat_map(|(path, module)| module.mentions.iter().map(move |mention| (path, &module.file, mention)));
        let globs = mentions.filter(|(.., mention)| mention.kind == MentionKind::Glob);
        let of_modules = globs.filter(|(path, _, glob)| {
            self.resolve(path, &glob.path).iter().any(|target| matches!(target, Target::Module(_)))
        });
        of_modules.map(|(_, file, glob)| format!("{file}:{}: {}::*", glob.line, glob.path.join("::"))).collect()
    }

    fn with_file(&self, module: &[String]) -> ModulePath {
        let length = (0..=module.len()).rev().find(|length| !self.modules[&module[..*length]].is_inline);
        module[..length.unwrap_or_default()].to_vec()
    }

    fn resolve(&self, scope: &[String], path: &[String]) -> Vec<Target> {
        self.resolve_within(scope, path, 16)
    }

    /// Returns nothing for a path into another crate. `fuel` bounds imports that refer to themselves.
    fn resolve_within(&self, scope: &[String], path: &[String], fuel: usize) -> Vec<Target> {
        let Some((first, rest)) = path.split_first() else { return Vec::new() };
        match first.as_str() {
            "crate" => self.descend(&[], rest, fuel),
            "self" | "super" => self.descend(scope, path, fuel),
            name if self.has_child(scope, name) || self.modules[scope].bindings.contains_key(name) => {
                self.descend(scope, path, fuel)
            }
            _ => Vec::new(),
        }
    }

    fn descend(&self, at: &[String], path: &[String], fuel: usize) -> Vec<Target> {
        let Some((first, rest)) = path.split_first() else { return vec![Target::Module(at.to_vec())] };
        if first == "self" {
            return self.descend(at, rest, fuel);
        }
        if first == "super" {
            return self.descend(at.split_last().map_or(at, |(_, parent)| parent), rest, fuel);
        }
        if self.has_child(at, first) {
            return self.descend(&[at, slice::from_ref(first)].concat(), rest, fuel);
        }
        let Some(bindings) = self.modules[at].bindings.get(first) else { return vec![Target::ItemOf(at.to_vec())] };
        let Some(fuel) = fuel.checked_sub(1) else { return Vec::new() };
        let targets = bindings.iter().flat_map(|binding| self.resolve_within(at, binding, fuel));
        let followed = targets.flat_map(|target| match target {
            Target::Module(module) => self.descend(&module, rest, fuel),
            item @ Target::ItemOf(_) => vec![item],
        });
        let mut followed: Vec<_> = followed.collect();
        // A module that re-exports an item from elsewhere is a dependency as well.
        if followed.iter().any(|target| !target.module().starts_with(at)) {
            followed.push(Target::ItemOf(at.to_vec()));
        }
        followed
    }

    fn has_child(&self, module: &[String], name: &str) -> bool {
        self.modules.contains_key(&[module, &[name.to_owned()]].concat())
    }
}

struct Parser<'a> {
    files: &'a Files,
    place: &'a Place,
    modules: &'a mut BTreeMap<ModulePath, Module>,
    /// Child modules whose files are still to be read.
    declared: Vec<Place>,
}

impl Parser<'_> {
    fn module(&mut self, tokens: &[Token<'_>], path: ModulePath, directory: &str, is_inline: bool) {
        let mut module = Module { file: self.place.file.clone(), is_inline, ..Module::default() };
        let mut rest = tokens;
        let mut before = "";
        while let Some(token) = rest.first() {
            let length = if token.text == "mod" && rest.len() > 2 {
                self.child(rest, &path, directory)
            } else if token.text == "use" && !starts_with(rest, &["use", "<"]) {
                let length = rest.iter().position(|token| token.text == ";").unwrap_or(rest.len());
                // After `pub` or `pub(crate)`.
                let kind = if matches!(before, "pub" | ")") { MentionKind::ReExport } else { MentionKind::Use };
                import(&rest[1..length], &[], kind, &mut module);
                length
            } else if starts_with(rest, &["pub", "(", "in"]) {
                1 + group_length(&rest[1..])
            } else if is_word(token.text) {
                let path = path_at(rest);
                module.words.extend(path.iter().cloned());
                let length = 2 * path.len() - 1;
                if path.len() > 1 && before != "::" {
                    module.mentions.push(Mention { path, line: token.line, kind: MentionKind::Use });
                }
                length
            } else {
                1
            };
            before = rest[length - 1].text;
            rest = &rest[length..];
        }
        self.modules.insert(path, module);
    }

    /// Reads `mod name { … }`, or notes `mod name;` for later. Returns the number of tokens.
    fn child(&mut self, tokens: &[Token<'_>], parent: &[String], directory: &str) -> usize {
        let name = tokens[1].text;
        let module = [parent, &[name.to_owned()]].concat();
        let directory = format!("{directory}/{name}");
        if tokens[2].text == "{" {
            let length = group_length(&tokens[2..]);
            self.module(&tokens[3..1 + length], module, &directory, true);
            return 2 + length;
        }
        let file = [format!("{directory}.rs"), format!("{directory}/mod.rs")];
        let file = file.into_iter().find(|file| self.files.contains_key(file));
        let file = file.unwrap_or_else(|| panic!("{}: the file of module {name} is missing", self.place.file));
        self.declared.push(Place { module, file, directory });
        3
    }
}

/// Reads a tree of imports such as `a::{self, b as c, d::*}`.
fn import(tree: &[Token<'_>], prefix: &[String], kind: MentionKind, module: &mut Module) {
    let mut path = prefix.to_vec();
    let mut rest = tree;
    while let Some(token) = rest.first() {
        match token.text {
            "{" => {
                for branch in branches(&rest[1..group_length(rest) - 1]) {
                    import(branch, &path, kind, module);
                }
                return;
            }
            "*" => return module.mentions.push(Mention { path, line: token.line, kind: MentionKind::Glob }),
            "as" => break,
            // `::name` is a crate.
            "::" if path.is_empty() => return,
            "::" => {}
            word => path.push(word.to_owned()),
        }
        rest = &rest[1..];
    }
    let (Some(last), Some(line)) = (path.last(), tree.first().map(|token| token.line)) else { return };
    if last == "self" && path.len() > 1 {
        path.pop();
    }
    let name = rest.get(1).map_or_else(|| path.last().cloned().unwrap_or_default(), |name| name.text.to_owned());
    module.bindings.entry(name).or_default().push(path.clone());
    module.mentions.push(Mention { path, line, kind });
}

fn branches<'t, 's>(list: &'t [Token<'s>]) -> Vec<&'t [Token<'s>]> {
    let mut found = Vec::new();
    let (mut start, mut at) = (0, 0);
    while at < list.len() {
        match list[at].text {
            "{" => at += group_length(&list[at..]),
            "," => {
                found.push(&list[start..at]);
                at += 1;
                start = at;
            }
            _ => at += 1,
        }
    }
    found.push(&list[start..]);
    found
}

fn path_at(tokens: &[Token<'_>]) -> Vec<String> {
    let mut path = vec![tokens[0].text.to_owned()];
    let mut rest = &tokens[1..];
    while rest.len() > 1 && rest[0].text == "::" && is_word(rest[1].text) {
        path.push(rest[1].text.to_owned());
        rest = &rest[2..];
    }
    path
}

fn is_word(text: &str) -> bool {
    text.starts_with(|first: char| first.is_alphabetic() || first == '_')
}
