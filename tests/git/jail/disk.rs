//! Folders of repositories that point elsewhere.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use serde_json::json;

use super::{SECRET, ask_about_ref, ask_all};
use crate::process::{Service, command, run};
use crate::repository::{Folder, Repository};

/// Gives back a repository, a secret commit elsewhere, and a service for the
/// first, and proves that the commit cannot be read through it.
struct Apart {
    repository: Repository,
    elsewhere: Repository,
    hidden: String,
}

impl Apart {
    fn new() -> Self {
        let repository = Repository::bare("own");
        repository.commit_file("readme.txt", "one\n");
        let elsewhere = Repository::bare("other");
        let hidden = elsewhere.commit_file("hidden.txt", SECRET);
        Self { repository, elsewhere, hidden }
    }

    /// A trick must keep the service from starting, and a service that has
    /// started before from answering; without it, it answers again.
    fn refuses(&self, what: &str, trick: impl Fn(&Path, &Path), undo: impl Fn(&Path)) {
        let (own, other) = (self.repository.path(), self.elsewhere.path());
        // Without the kernel's help.
        let settings = [("GIT_SANDBOX", "off")];
        let service = Service::with(&[("one", own)], &settings);
        service.call("git_log", json!({}));
        trick(own, other);
        for reply in ask_about_ref(&service, &self.hidden)
            .into_iter()
            .chain(ask_about_ref(&service, "evil"))
            .chain(ask_all(&service, "readme.txt"))
        {
            let message =
                reply["error"]["message"].as_str().unwrap_or_else(|| panic!("{what}: {reply}"));
            assert!(message.starts_with("The repository "), "{what}: {message}");
            assert!(!message.contains(own.to_str().unwrap()), "{message}");
        }
        let argument = format!("one={}", own.display());
        let (code, _, err) = run(command(&settings).args(["--repo", &argument]));
        assert_eq!(code, Some(2), "{what}");
        assert!(err.contains("GIT_REPOSITORIES"), "{what}: {err}");
        undo(own);
        service.call("git_log", json!({}));
    }
}

fn rename(folder: &Path, from: &str, to: &str) {
    fs::rename(folder.join(from), folder.join(to)).unwrap();
}

#[test]
fn objects_of_other_repositories_cannot_be_borrowed() {
    let apart = Apart::new();
    apart.refuses(
        "alternates",
        |own, other| {
            let line = format!("{}\n", other.join("objects").display());
            fs::create_dir_all(own.join("objects/info")).unwrap();
            fs::write(own.join("objects/info/alternates"), line).unwrap();
        },
        |own| fs::remove_file(own.join("objects/info/alternates")).unwrap(),
    );
    // Git does not follow these without a transport; nobody here has one.
    let line = format!("file://{}\n", apart.elsewhere.path().display());
    fs::write(apart.repository.folder.join("objects/info/http-alternates"), line).unwrap();
    let service = Service::of(&[("one", apart.repository.path())]);
    let refused = service.refusal("git_show", json!({"ref": apart.hidden}));
    assert_eq!(refused, "ref names no commit of this repository");
}

/// An index of several packs has their names, and a name may be a path.
#[test]
fn an_index_of_packs_leads_to_none_elsewhere() {
    let Apart { repository, elsewhere, hidden } = Apart::new();
    for one in [&repository, &elsewhere] {
        one.git(&["repack", "-q", "-a", "-d"]);
        one.git(&["multi-pack-index", "write"]);
    }
    let packs = |one: &Repository| one.path().join("objects/pack");
    let index = packs(&elsewhere).join("multi-pack-index");
    let led = leading_to(&fs::read(&index).unwrap(), &packs(&elsewhere));
    let target = packs(&repository).join("multi-pack-index");
    // Git writes it for itself only to read.
    fs::remove_file(&target).unwrap();
    fs::write(target, led).unwrap();
    let service = Service::with(&[("one", repository.path())], &[("GIT_SANDBOX", "off")]);
    for reply in ask_about_ref(&service, &hidden) {
        let message = &reply["error"]["message"];
        assert_eq!(message, "ref names no commit of this repository", "{reply}");
    }
    // Its own objects are found by the index of their own pack.
    assert_eq!(service.call("git_read_file", json!({"path": "readme.txt"}))["content"], "one\n");
}

/// An index of packs in which each name is that of a pack in this folder: a head of
/// twelve bytes, a table of parts (four letters, and where it begins), the parts.
fn leading_to(index: &[u8], folder: &Path) -> Vec<u8> {
    let number = |at: usize| u64::from_be_bytes(index[at..at + 8].try_into().unwrap());
    let count = usize::from(index[6]);
    let mut table = index[..12].to_vec();
    let mut parts: Vec<u8> = Vec::new();
    for entry in (0..=count).map(|entry| 12 + 12 * entry) {
        let id = &index[entry..entry + 4];
        table.extend_from_slice(id);
        table.extend_from_slice(&((12 + 12 * (count + 1) + parts.len()) as u64).to_be_bytes());
        if id == [0; 4] {
            break;
        }
        let range = [number(entry + 4), number(entry + 16)].map(|at| usize::try_from(at).unwrap());
        let part = &index[range[0]..range[1]];
        if id == b"PNAM" {
            let name = std::str::from_utf8(part).unwrap().trim_end_matches('\0');
            parts.extend_from_slice(folder.join(name).to_str().unwrap().as_bytes());
            parts.push(0);
            parts.resize(parts.len().next_multiple_of(4), 0);
        } else {
            parts.extend_from_slice(part);
        }
    }
    [table, parts, vec![0; 20]].concat()
}

#[test]
fn links_in_the_folder_of_a_repository_are_refused() {
    let apart = Apart::new();
    for (name, target) in [
        ("objects", "objects"),
        ("refs", "refs"),
        ("HEAD", "HEAD"),
        ("refs/heads", "refs/heads"),
        ("objects/pack", "objects/pack"),
        ("objects/info", "objects/info"),
    ] {
        apart.refuses(
            name,
            |own, other| {
                rename(own, name, "aside");
                symlink(other.join(target), own.join(name)).unwrap();
            },
            |own| {
                fs::remove_file(own.join(name)).unwrap();
                rename(own, "aside", name);
            },
        );
    }
    for (name, target) in [
        ("packed-refs", "HEAD"),
        ("shallow", "HEAD"),
        ("refs/heads/evil", "refs/heads/main"),
        ("refs/tags/evil", "HEAD"),
        ("refs/heads/more", "refs"),
        ("objects/ab", "objects"),
        ("objects/pack/pack-0.idx", "HEAD"),
        ("refs/heads/dangling", "nowhere"),
    ] {
        apart.refuses(
            name,
            |own, other| symlink(other.join(target), own.join(name)).unwrap(),
            |own| fs::remove_file(own.join(name)).unwrap(),
        );
    }
    // One loose object of the other, by its own name.
    apart.elsewhere.git(&["config", "fastimport.unpackLimit", "1000"]);
    let hidden = apart.elsewhere.commit_file("more.txt", SECRET);
    let packs = apart.elsewhere.text(&["count-objects"]);
    assert!(!packs.starts_with("0 "), "{packs}");
    let file = format!("objects/{}/{}", &hidden[..2], &hidden[2..]);
    apart.refuses(
        "a loose object",
        |own, other| {
            fs::create_dir_all(own.join(&file).parent().unwrap()).unwrap();
            symlink(other.join(&file), own.join(&file)).unwrap();
        },
        |own| fs::remove_file(own.join(&file)).unwrap(),
    );
}

#[test]
fn special_files_are_refused_and_never_opened() {
    let apart = Apart::new();
    for name in ["packed-refs", "refs/heads/evil", "objects/pack/pack-0.idx", "shallow"] {
        apart.refuses(
            name,
            |own, _| {
                let made = Command::new("mkfifo").arg(own.join(name)).status().unwrap();
                assert!(made.success());
            },
            |own| fs::remove_file(own.join(name)).unwrap(),
        );
    }
}

#[test]
fn repositories_that_point_elsewhere_are_refused() {
    let apart = Apart::new();
    apart.refuses(
        "commondir",
        |own, other| fs::write(own.join("commondir"), format!("{}\n", other.display())).unwrap(),
        |own| fs::remove_file(own.join("commondir")).unwrap(),
    );
    let main = Repository::with_work_tree("main");
    main.commit_file("a.txt", "a\n");
    let folder = Folder::new("linked");
    main.git(&["worktree", "add", "-q", "--detach", folder.join("tree").to_str().unwrap(), "main"]);
    let start = |path: &Path| run(command(&[]).arg("--repo").arg(format!("x={}", path.display())));
    let (code, _, err) = start(&folder.join("tree"));
    assert_eq!(code, Some(2));
    assert!(err.contains("points to a repository elsewhere"), "{err}");
    // The folder a worktree has within the main repository is one, too.
    assert_eq!(start(&main.folder.join(".git/worktrees/tree")).0, Some(2));
    // And a `.git` that is a link.
    let linked = Folder::new("linked");
    symlink(main.folder.join(".git"), linked.join(".git")).unwrap();
    assert_eq!(start(linked.path()).0, Some(2));
    for path in ["/nowhere/at/all", "/", "/dev/null"] {
        assert_eq!(start(Path::new(path)).0, Some(2), "{path}");
    }
}

#[test]
fn other_forms_of_repositories_are_refused_by_name() {
    let start = |path: &Path| run(command(&[]).arg("--repo").arg(format!("x={}", path.display())));
    let repository = Folder::new("sha256");
    let made = Command::new("git")
        .args(["init", "-q", "--bare", "--object-format=sha256"])
        .arg(repository.path())
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .status();
    assert!(made.unwrap().success());
    let (code, _, err) = start(repository.path());
    assert_eq!(code, Some(2));
    assert!(err.contains("SHA-256"), "{err}");
    let repository = Repository::bare("reftable");
    repository.folder.write("config", "[extensions]\n\trefStorage = reftable\n");
    let (code, _, err) = start(repository.path());
    assert_eq!(code, Some(2));
    assert!(err.contains("reftable"), "{err}");
}
