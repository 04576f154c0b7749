//! Every way out of a repository that we know, tried.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::process::{Service, command, run};
use crate::repository::{Folder, Import, Repository};
use crate::sample::sample;

/// What lies outside, and must never be in an answer.
const SECRET: &str = "outside-secret-5417";

/// Every tool, asked about a path.
fn ask_all(service: &Service, path: &str) -> Vec<Value> {
    let asked = [
        ("git_log", json!({"path": path})),
        ("git_show", json!({"path": path})),
        ("git_diff", json!({"from": "HEAD", "path": path})),
        ("git_blame", json!({"path": path})),
        ("git_search", json!({"query": "e", "path": path})),
        ("git_list_files", json!({"path": path})),
        ("git_read_file", json!({"path": path})),
    ];
    let call = |(name, arguments)| {
        service.rpc("tools/call", json!({"name": name, "arguments": arguments}))
    };
    asked.into_iter().map(call).collect()
}

/// Every tool, asked about a ref.
fn ask_about_ref(service: &Service, revision: &str) -> Vec<Value> {
    let asked = [
        ("git_log", json!({"ref": revision})),
        ("git_show", json!({"ref": revision})),
        ("git_diff", json!({"from": revision})),
        ("git_diff", json!({"from": "HEAD", "to": revision})),
        ("git_blame", json!({"ref": revision, "path": "readme.txt"})),
        ("git_search", json!({"ref": revision, "query": "e"})),
        ("git_list_files", json!({"ref": revision})),
        ("git_read_file", json!({"ref": revision, "path": "readme.txt"})),
    ];
    let call = |(name, arguments)| {
        service.rpc("tools/call", json!({"name": name, "arguments": arguments}))
    };
    asked.into_iter().map(call).collect()
}

#[test]
fn paths_that_lead_out_are_refused_by_every_tool() {
    let sample = sample();
    let (_, service) = &*sample;
    for path in [
        "/etc/passwd",
        "../x",
        "..",
        "a/../../x",
        "./readme.txt",
        "src/./x",
        "src//x",
        "//x",
        ".git",
        ".git/config",
        ".GIT/HEAD",
        "src/.git/x",
        "git~1/config",
        ".git./config",
        ".git::$INDEX_ALLOCATION/config",
        "readme.txt\u{0}",
        ".g\u{200c}it/config",
    ] {
        for reply in ask_all(service, path) {
            assert_eq!(reply["error"]["code"], -32602, "{path}: {reply}");
            let message = reply["error"]["message"].as_str().unwrap();
            assert!(message.starts_with("path must"), "{path}: {message}");
        }
        let long = json!({"operation": "log", "path": format!("sample/{path}")});
        assert!(service.refusal("git_readonly", long).starts_with("path must"), "{path}");
    }
    // The same in its other spelling, and one that no text can have.
    for encoded in ["Li4vZXRj", "L2V0Yy9wYXNzd2Q=", "LmdpdC9jb25maWc=", "YQBi"] {
        let refused = service.refusal("git_read_file", json!({"path_base64": encoded}));
        assert!(refused.starts_with("path must"), "{refused}");
    }
    let both = json!({"path": "a", "path_base64": "YQ=="});
    assert_eq!(service.refusal("git_log", both), "give path or path_base64, not both");
}

#[test]
fn paths_like_options_patterns_and_magic_are_only_names_that_do_not_exist() {
    let sample = sample();
    let (repository, service) = &*sample;
    let marker = repository.folder.join("marker");
    for path in [
        "--output=marker",
        "-x",
        "--",
        "--exec=touch marker",
        ":(top)readme.txt",
        ":/readme.txt",
        ":!readme.txt",
        "*",
        "read*",
        "?eadme.txt",
        "[r]eadme.txt",
        "$(touch marker)",
        "`touch marker`",
        ";touch marker",
        "|touch marker",
        "~",
        "%2e%2e/x",
        "..\\x",
        "HEAD:x",
    ] {
        for name in ["git_list_files", "git_read_file", "git_blame"] {
            let refused = service.refusal(name, json!({"path": path}));
            assert_eq!(refused, "path does not exist at this ref", "{name} {path}");
        }
        assert_eq!(service.call("git_log", json!({"path": path}))["commits"], json!([]), "{path}");
    }
    assert!(!marker.exists());
}

#[test]
fn refs_that_are_none_are_refused_by_every_tool() {
    let sample = sample();
    let (repository, service) = &*sample;
    repository.folder.write("ORIG_HEAD", repository.text(&["rev-parse", "main"]) + "\n");
    for revision in [
        "",
        "--all",
        "-n1",
        "--upload-pack=touch marker",
        "--output=marker",
        "main..odd",
        "../config",
        "refs/../config",
        "/etc/passwd",
        "main@{0}",
        "@{-1}",
        "HEAD:readme.txt",
        ":/Edit",
        "HEAD^{tree}",
        "HEAD^{/Edit}",
        "main^!",
        "main^@",
        "a b",
        "main\n",
        "ma\u{0}in",
        "refs/heads/*",
        "config",
        "packed-refs",
        "objects/info/packs",
        "ORIG_HEAD",
        "FETCH_HEAD",
        "refs",
        "refs/heads",
        "refs/heads/",
        ".",
        "main.lock",
        "no-such-branch",
        "main~999",
        "0000000000000000000000000000000000000000",
        "deadbeef",
        "main^3",
    ] {
        for reply in ask_about_ref(service, revision) {
            assert_eq!(reply["error"]["code"], -32602, "{revision}: {reply}");
            let message = reply["error"]["message"].as_str().unwrap();
            assert!(message.contains("ref"), "{revision:?}: {message}");
            assert!(!message.contains(repository.path().to_str().unwrap()), "{message}");
        }
    }
    assert!(!repository.folder.join("marker").exists());
    // A tree's or file's id is no commit.
    for object in ["main^{tree}", "main:readme.txt"] {
        let id = repository.text(&["rev-parse", object]);
        assert!(service.refusal("git_log", json!({"ref": id})).contains("not a commit"));
    }
}

#[test]
fn links_in_a_tree_are_shown_and_never_followed() {
    let sample = sample();
    let (_, service) = &*sample;
    for (path, target) in
        [("link", "readme.txt"), ("outside", "../../../../etc/passwd"), ("absolute", "/etc/passwd")]
    {
        let read = service.call("git_read_file", json!({"path": path}));
        assert_eq!((&read["kind"], &read["content"]), (&json!("symlink"), &json!(target)));
        let below = format!("{path}/passwd");
        let refused = service.refusal("git_read_file", json!({"path": below}));
        assert_eq!(refused, "path does not exist at this ref");
        // Nor is what they point to searched.
        let found = service.call("git_search", json!({"path": path, "query": "root:"}));
        assert_eq!(found["matches"], json!([]));
    }
}

#[test]
fn the_working_tree_and_the_folder_of_git_are_not_looked_at() {
    let repository = Repository::with_work_tree("worktree");
    repository.commit_file("readme.txt", "committed\n");
    repository.git(&["checkout", "-q", "-f", "main"]);
    repository.folder.write("readme.txt", SECRET);
    repository.folder.write("new.txt", SECRET);
    repository.folder.write(".git/secret.txt", SECRET);
    repository.folder.write(".git/info/exclude", SECRET);
    symlink("/etc", repository.folder.join("etc")).unwrap();
    let service = Service::of(&[("one", repository.path())]);
    let read = service.call("git_read_file", json!({"path": "readme.txt"}));
    assert_eq!(read["content"], "committed\n");
    for path in ["new.txt", "etc", "etc/passwd", "secret.txt", "info/exclude"] {
        let refused = service.refusal("git_read_file", json!({"path": path}));
        assert_eq!(refused, "path does not exist at this ref", "{path}");
    }
    let found = service.call("git_search", json!({"query": SECRET}));
    assert_eq!(found["matches"], json!([]));
}

#[test]
fn submodules_are_entries_and_nothing_behind_them_is_read() {
    let module = Repository::with_work_tree("module");
    let inner = module.commit_file("inner.txt", SECRET);
    let repository = Repository::with_work_tree("outer");
    let mut import = Import::default();
    import.commit("main", 1_700_000_000, "With a module");
    let url = module.path().display();
    let modules =
        format!("[submodule \"m\"]\n\tpath = m\n\turl = {url}\n\tupdate = !touch marker\n");
    import.file("100644", b".gitmodules", modules.as_bytes());
    import.submodule(b"m", &inner);
    repository.import(import);
    // Checked out where git would look for it.
    repository.folder.write("m/inner.txt", SECRET);
    repository.folder.write("m/.git", format!("gitdir: {url}/.git\n"));
    let service = Service::of(&[("one", repository.path())]);
    let page = service.call("git_list_files", json!({"recursive": true}));
    assert_eq!(page["entries"][1]["kind"], "submodule");
    assert_eq!(page["entries"][1]["id"], inner);
    for name in ["git_read_file", "git_list_files", "git_blame"] {
        let refused = service.refusal(name, json!({"path": "m/inner.txt"}));
        assert_eq!(refused, "path does not exist at this ref");
    }
    let refused = service.refusal("git_read_file", json!({"path": "m"}));
    assert_eq!(refused, "path is a submodule, not a file");
    assert!(service.refusal("git_show", json!({"ref": inner})).contains("no commit"));
    let found = service.call("git_search", json!({"query": SECRET}));
    assert_eq!(found["matches"], json!([]));
}

/// Everything of git that runs a program or reads another file, set up to
/// leave a mark, in the repository and in the process's surroundings.
#[test]
fn configuration_hooks_filters_and_drivers_run_and_read_nothing() {
    let repository = Repository::with_work_tree("hostile");
    let elsewhere = Repository::bare("elsewhere");
    let hidden = elsewhere.commit_file("hidden.txt", SECRET);
    repository.commit_file("readme.txt", "plain\n");
    repository.commit_file(
        ".gitattributes",
        "* filter=evil diff=evil merge=evil ident working-tree-encoding=UTF-16 eol=crlf\n",
    );
    repository.commit_file("readme.txt", "plain $Id$\nand more\n");
    let marker = repository.folder.join("marker");
    let touch = format!("touch {}", marker.display());
    // Reading this would never end.
    let pipe = repository.folder.join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let mut config = fs::read_to_string(repository.folder.join(".git/config")).unwrap();
    for (section, keys) in [
        ("filter \"evil\"", &["clean", "smudge", "process"][..]),
        ("diff \"evil\"", &["command", "textconv"]),
        ("diff", &["external"]),
        ("merge \"evil\"", &["driver"]),
        (
            "core",
            &[
                "pager",
                "editor",
                "fsmonitor",
                "sshCommand",
                "gitProxy",
                "alternateRefsCommand",
                "askPass",
            ],
        ),
        ("credential", &["helper"]),
        ("gpg", &["program"]),
        ("alias", &["log", "show"]),
        ("pager", &["log"]),
        ("uploadpack", &["packObjectsHook"]),
    ] {
        writeln!(config, "[{section}]").unwrap();
        for key in keys {
            writeln!(config, "\t{key} = \"!{touch};{touch}\"").unwrap();
        }
    }
    let pipe = pipe.display();
    writeln!(config, "[include]\n\tpath = {pipe}").unwrap();
    writeln!(config, "[includeIf \"gitdir:/\"]\n\tpath = {pipe}").unwrap();
    write!(
        config,
        "[core]\n\tworktree = /etc\n\thooksPath = {0}/hooks\n\tattributesFile = {pipe}\n\t\
         excludesFile = {pipe}\n[mailmap]\n\tfile = {pipe}\n[blame]\n\tignoreRevsFile = {pipe}\n\
         [extensions]\n\tworktreeConfig = true\n\tpartialClone = origin\n\
         [remote \"origin\"]\n\turl = ext::{touch}\n\tpromisor = true\n",
        repository.path().display()
    )
    .unwrap();
    fs::write(repository.folder.join(".git/config"), &config).unwrap();
    fs::write(repository.folder.join(".git/config.worktree"), &config).unwrap();
    for hook in ["post-checkout", "pre-commit", "reference-transaction", "post-index-change"] {
        for folder in [".git/hooks", "hooks"] {
            let path = format!("{folder}/{hook}");
            repository.folder.write(&path, format!("#!/bin/sh\n{touch}\n"));
            let path = repository.folder.join(&path);
            assert!(Command::new("chmod").arg("755").arg(path).status().unwrap().success());
        }
    }
    let objects = elsewhere.folder.join("objects");
    let settings = [
        ("GIT_DIR", elsewhere.path().to_str().unwrap()),
        ("GIT_COMMON_DIR", elsewhere.path().to_str().unwrap()),
        ("GIT_OBJECT_DIRECTORY", objects.to_str().unwrap()),
        ("GIT_ALTERNATE_OBJECT_DIRECTORIES", objects.to_str().unwrap()),
        ("GIT_EXTERNAL_DIFF", &touch),
        ("GIT_PAGER", &touch),
        ("GIT_SSH_COMMAND", &touch),
        ("GIT_CONFIG_COUNT", "1"),
        ("GIT_CONFIG_KEY_0", "diff.external"),
        ("GIT_CONFIG_VALUE_0", &touch),
        ("HOME", elsewhere.path().to_str().unwrap()),
        // Or the kernel would prove it, and not the service.
        ("GIT_SANDBOX", "off"),
    ];
    let service = Service::with(&[("one", repository.path())], &settings);
    let read = service.call("git_read_file", json!({"path": "readme.txt"}));
    assert_eq!(read["content"], "plain $Id$\nand more\n");
    let shown = service.call("git_show", json!({}));
    let patch = shown["files"][0]["patch"].as_str().unwrap();
    assert!(patch.ends_with("-plain\n+plain $Id$\n+and more\n"), "{patch}");
    let blamed = service.call("git_blame", json!({"path": "readme.txt"}));
    assert_eq!(blamed["total_lines"], 2);
    for reply in ask_all(&service, "").into_iter().chain(ask_about_ref(&service, "main")) {
        assert!(!reply.to_string().contains(SECRET), "{reply}");
    }
    assert!(service.refusal("git_show", json!({"ref": hidden})).contains("no commit"));
    assert!(!marker.exists(), "something was run");
}

#[test]
fn replaced_objects_and_grafts_change_nothing() {
    let repository = Repository::bare("replaced");
    let first = repository.commit_file("a.txt", "one\n");
    let second = repository.commit_file("a.txt", "two\n");
    let third = repository.commit_file("b.txt", "three\n");
    repository.git(&["replace", &second, &first]);
    repository.folder.write("info/grafts", format!("{third}\n"));
    assert_eq!(repository.text(&["log", "--format=%H"]).lines().count(), 1);
    let service = Service::of(&[("one", repository.path())]);
    let page = service.call("git_log", json!({}));
    let ids: Vec<&str> =
        page["commits"].as_array().unwrap().iter().map(|c| c["id"].as_str().unwrap()).collect();
    assert_eq!(ids, [&third, &second, &first]);
    let read = service.call("git_read_file", json!({"ref": second, "path": "a.txt"}));
    assert_eq!(read["content"], "two\n");
}

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
fn references_to_odd_places_lead_nowhere() {
    let repository = Repository::bare("symbolic");
    let commit = repository.commit_file("readme.txt", "one\n");
    repository.folder.write("outside", format!("{commit}\n"));
    repository.folder.write("refs/heads/loop", "ref: refs/heads/loop\n");
    repository.folder.write("refs/heads/climbs", "ref: refs/heads/../../outside\n");
    repository.folder.write("refs/heads/leaves", "ref: ../outside\n");
    repository.folder.write("refs/heads/root", "ref: outside\n");
    repository.folder.write("refs/heads/pseudo", "ref: ORIG_HEAD\n");
    repository.folder.write("refs/heads/absolute", "ref: /etc/passwd\n");
    repository.folder.write("refs/heads/garbage", format!("{SECRET}\n"));
    repository.folder.write("refs/heads/long", vec![b'x'; 100_000]);
    repository.folder.write("ORIG_HEAD", format!("{commit}\n"));
    let service = Service::of(&[("one", repository.path())]);
    for name in ["loop", "climbs", "leaves", "root", "pseudo", "absolute", "garbage", "long"] {
        for reply in ask_about_ref(&service, name) {
            assert_eq!(reply["error"]["code"], -32602, "{name}: {reply}");
            assert!(!reply.to_string().contains(SECRET), "{reply}");
        }
    }
    // They do not keep the others from being listed.
    let page = service.call("git_branches_tags", json!({}));
    let names = page["references"].as_array().unwrap();
    assert!(names.iter().any(|one| one["name"] == "main"), "{page}");
    assert!(!page.to_string().contains(SECRET), "{page}");
}

/// A tree git would not make, but that can be pushed to a careless server.
#[test]
fn trees_with_odd_names_are_listed_and_lead_nowhere() {
    let repository = Repository::bare("tree");
    let blob = repository.git_with(&["hash-object", "-w", "--stdin"], SECRET.as_bytes());
    let blob = String::from_utf8(blob).unwrap().trim().to_owned();
    let raw: Vec<u8> =
        (0..20).map(|at| u8::from_str_radix(&blob[at * 2..at * 2 + 2], 16).unwrap()).collect();
    let mut tree = Vec::new();
    for name in ["..", ".git", "/etc/passwd", "a/b", ""] {
        tree.extend_from_slice(format!("100644 {name}\0").as_bytes());
        tree.extend_from_slice(&raw);
    }
    let hash = ["hash-object", "-t", "tree", "-w", "--literally", "--stdin"];
    let tree = String::from_utf8(repository.git_with(&hash, &tree)).unwrap();
    let commit = repository.text(&["commit-tree", "-m", "Odd", tree.trim()]);
    repository.git(&["update-ref", "refs/heads/main", &commit]);
    let service = Service::of(&[("one", repository.path())]);
    let page = service.call("git_list_files", json!({}));
    assert_eq!(page["entries"].as_array().unwrap().len(), 5);
    for path in ["..", ".git", "/etc/passwd"] {
        assert!(service.refusal("git_read_file", json!({"path": path})).starts_with("path must"));
    }
    assert!(service.refusal("git_read_file", json!({"path": "a/b"})).contains("not exist"));
    service.call("git_show", json!({}));
    service.call("git_search", json!({"query": "outside"}));
}

#[test]
fn what_is_missing_or_damaged_is_said_and_never_fetched() {
    let repository = Repository::bare("damaged");
    repository.git(&["config", "fastimport.unpackLimit", "1000"]);
    repository.commit_file("a.txt", "one\n");
    repository.commit_file("b.txt", "two\n");
    let blob = repository.text(&["rev-parse", "main:a.txt"]);
    let file = repository.folder.join(&format!("objects/{}/{}", &blob[..2], &blob[2..]));
    let whole = fs::read(&file).unwrap();
    fs::remove_file(&file).unwrap();
    let service = Service::of(&[("one", repository.path())]);
    let refused = || service.refusal("git_read_file", json!({"path": "a.txt"}));
    assert_eq!(refused(), format!("The object {blob} is not in the repository"));
    for damage in [&whole[..whole.len() / 2], b"nonsense", b""] {
        fs::write(&file, damage).unwrap();
        assert_eq!(refused(), format!("The object {blob} cannot be read"));
    }
    fs::remove_file(&file).unwrap();
    fs::write(&file, &whole).unwrap();
    assert_eq!(service.call("git_read_file", json!({"path": "a.txt"}))["content"], "one\n");
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

/// The parts of gitoxide that run programs, open connections, filter files or
/// read configuration are not in the build at all.
#[test]
fn nothing_that_could_run_or_fetch_is_linked() {
    let lock = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.lock")).unwrap();
    assert!(lock.contains("name = \"gix-odb\""));
    for part in [
        "gix",
        "gix-attributes",
        "gix-command",
        "gix-config",
        "gix-credentials",
        "gix-discover",
        "gix-filter",
        "gix-prompt",
        "gix-protocol",
        "gix-submodule",
        "gix-transport",
        "gix-url",
        "gix-worktree",
        "git2",
        "libgit2-sys",
    ] {
        assert!(!lock.contains(&format!("name = \"{part}\"")), "{part}");
    }
}
