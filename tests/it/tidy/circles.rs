//! Circles between the files of `src/`. A file uses another when it names it, or something that is defined there: a name
//! that a file only hands on (`pub use`) is looked up where it comes from. The file of a folder is its face: what stands
//! in the folder may use it, and is used by it.

use std::collections::{BTreeMap, BTreeSet};

use super::reading::{Source, is_word, use_trees, without_comments};

/// A module's path: `openai::text::asking`.
type Path = Vec<String>;

/// The uses between the files of a tree.
struct House<'a> {
    modules: BTreeMap<Path, &'a Source>,
    /// Names that a module hands on, and where they come from.
    handed_on: BTreeMap<(Path, String), Path>,
    uses: BTreeMap<Path, Vec<Path>>,
}

/// The circles, each as the modules in it, sorted.
pub fn circles(sources: &[Source]) -> Vec<Vec<String>> {
    let graph = House::read(sources).graph();
    let reached = |from: &Path| {
        let mut seen = BTreeSet::new();
        let mut next: Vec<&Path> = graph.get(from).into_iter().flatten().collect();
        while let Some(module) = next.pop() {
            if seen.insert(module.clone()) {
                next.extend(graph.get(module).into_iter().flatten());
            }
        }
        seen
    };
    let reached: BTreeMap<&Path, BTreeSet<Path>> = graph.keys().map(|module| (module, reached(module))).collect();
    let circle_of = |module: &Path| -> Vec<String> {
        let both_ways = |other: &&Path| reached[module].contains(*other) && reached[other].contains(module);
        graph.keys().filter(both_ways).map(|module| module.join("::")).collect()
    };
    let circles: BTreeSet<Vec<String>> = graph.keys().map(circle_of).filter(|circle| circle.len() > 1).collect();
    circles.into_iter().collect()
}

impl<'a> House<'a> {
    fn read(sources: &'a [Source]) -> Self {
        let modules: BTreeMap<Path, &Source> =
            sources.iter().filter_map(|source| Some((module_path(source)?, source))).collect();
        let mut house = Self { modules, handed_on: BTreeMap::new(), uses: BTreeMap::new() };
        for (module, source) in house.modules.clone() {
            house.read_module(&module, &source.text);
        }
        house
    }

    fn read_module(&mut self, module: &Path, text: &str) {
        let code = without_comments(text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default());
        let mut uses = Vec::new();
        for tree in use_trees(&code) {
            for (path, name) in tree.paths {
                let Some(path) = self.absolute(module, &path) else { continue };
                if tree.is_public {
                    self.handed_on.insert((module.clone(), name), path);
                } else {
                    uses.push(path);
                }
            }
        }
        uses.extend(named_in_passing(&code).filter_map(|path| self.absolute(module, &path)));
        self.uses.insert(module.clone(), uses);
    }

    /// From the crate's root; `None` for what is no module of ours.
    fn absolute(&self, module: &Path, path: &[String]) -> Option<Path> {
        let (first, rest) = path.split_first()?;
        let mut from = match first.as_str() {
            "crate" => Vec::new(),
            "self" => module.clone(),
            "super" => module[..module.len() - 1].to_vec(),
            child => {
                let child: Path = module.iter().cloned().chain([child.to_owned()]).collect();
                return self.modules.contains_key(&child).then(|| [child, rest.to_vec()].concat());
            }
        };
        for word in rest {
            if word == "super" {
                from.pop();
            } else {
                from.push(word.clone());
            }
        }
        Some(from)
    }

    /// The module in which what a path names is defined.
    fn defining(&self, path: &[String]) -> Option<Path> {
        let mut module = Path::new();
        for (number, word) in path.iter().enumerate() {
            let deeper: Path = module.iter().cloned().chain([word.clone()]).collect();
            if self.modules.contains_key(&deeper) {
                module = deeper;
            } else if let Some(origin) = self.handed_on.get(&(module.clone(), word.clone())) {
                return self.defining(&[origin.as_slice(), &path[number + 1..]].concat());
            } else {
                break;
            }
        }
        (!module.is_empty()).then_some(module)
    }

    fn graph(&self) -> BTreeMap<Path, BTreeSet<Path>> {
        let used = |module: &Path, uses: &Vec<Path>| {
            let defining = uses.iter().filter_map(|path| self.defining(path));
            defining.filter(|used| !module.starts_with(used)).collect()
        };
        self.uses.iter().map(|(module, uses)| (module.clone(), used(module, uses))).collect()
    }
}

fn module_path(source: &Source) -> Option<Path> {
    let path = source.path.strip_prefix("src/")?.strip_suffix(".rs")?;
    (!matches!(path, "main" | "lib")).then(|| path.split('/').map(str::to_owned).collect())
}

/// The paths that stand in the code without a `use`: `crate::text::clip`, `request::encode`.
fn named_in_passing(code: &str) -> impl Iterator<Item = Path> {
    let is_part = |c: char| is_word(c) || c == ':';
    let words = code.split(move |c| !is_part(c)).filter(|word| word.contains("::") && !word.starts_with("::"));
    words.map(|word| word.split("::").filter(|part| !part.is_empty()).map(str::to_owned).collect())
}
