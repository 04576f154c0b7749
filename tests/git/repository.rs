//! Repositories made by git itself, with nobody's configuration.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// A folder that is removed with its value.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = Path::new(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("git-{name}-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path.canonicalize().unwrap())
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        let path = self.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed lies in the build's own folder.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A repository.
pub(crate) struct Repository {
    pub(crate) folder: Folder,
}

impl Repository {
    /// A bare one without commits, on `main`.
    pub(crate) fn bare(name: &str) -> Self {
        let one = Self { folder: Folder::new(name) };
        one.git(&["init", "-q", "--bare", "-b", "main", "."]);
        one
    }

    /// One with a working tree.
    pub(crate) fn with_work_tree(name: &str) -> Self {
        let one = Self { folder: Folder::new(name) };
        one.git(&["init", "-q", "-b", "main", "."]);
        one
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// What git prints.
    pub(crate) fn git(&self, arguments: &[&str]) -> Vec<u8> {
        self.git_with(arguments, b"")
    }

    /// What git prints, as text without the last line's end.
    pub(crate) fn text(&self, arguments: &[&str]) -> String {
        String::from_utf8_lossy(&self.git(arguments)).trim_end_matches('\n').to_owned()
    }

    /// What git prints when it is given this.
    pub(crate) fn git_with(&self, arguments: &[&str], input: &[u8]) -> Vec<u8> {
        let mut child = Command::new("git")
            .arg("-C")
            .arg(self.path())
            .args(arguments)
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("LC_ALL", "C")
            .envs([("GIT_AUTHOR_NAME", "A U Thor"), ("GIT_AUTHOR_EMAIL", "author@example.com")])
            .envs([("GIT_COMMITTER_NAME", "C O Mitter"), ("GIT_COMMITTER_EMAIL", "c@example.com")])
            .envs([
                ("GIT_AUTHOR_DATE", "1700000000 +0200"),
                ("GIT_COMMITTER_DATE", "1700000000 +0200"),
            ])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let writing = {
            let input = input.to_vec();
            std::thread::spawn(move || {
                // It need not read all of it.
                let _ = stdin.write_all(&input);
            })
        };
        let output = child.wait_with_output().unwrap();
        writing.join().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "git {arguments:?}: {error}");
        output.stdout
    }

    /// Commits one file on `main`; gives the commit.
    pub(crate) fn commit_file(&self, path: &str, content: &str) -> String {
        let tip = self.git(&["for-each-ref", "--format=%(objectname)", "refs/heads/main"]);
        let mut import = Import::default();
        import.commit("main", 1_700_000_000, "A file");
        if !tip.is_empty() {
            import.line(&format!("from {}", String::from_utf8(tip).unwrap().trim()));
        }
        import.file("100644", path.as_bytes(), content.as_bytes());
        self.import(import);
        self.text(&["rev-parse", "refs/heads/main"])
    }

    /// Reads a stream into the repository.
    pub(crate) fn import(&self, import: Import) {
        self.git_with(&["fast-import", "--quiet"], &import.0);
    }
}

/// A stream for `git fast-import`.
#[derive(Default)]
pub(crate) struct Import(Vec<u8>);

impl Import {
    pub(crate) fn line(&mut self, line: &str) {
        self.bytes(line.as_bytes());
        self.bytes(b"\n");
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    fn data(&mut self, bytes: &[u8]) {
        self.line(&format!("data {}", bytes.len()));
        self.bytes(bytes);
        self.line("");
    }

    /// Begins a commit; `from`, `merge` and files follow.
    pub(crate) fn commit(&mut self, branch: &str, time: u64, message: &str) {
        self.commit_by(branch, "Dev One <one@example.com>", time, message.as_bytes());
    }

    pub(crate) fn commit_by(&mut self, branch: &str, who: &str, time: u64, message: &[u8]) {
        self.line(&format!("commit refs/heads/{branch}"));
        self.line(&format!("author {who} {} +0130", time.saturating_sub(90)));
        self.line(&format!("committer Keeper <keeper@example.com> {time} -0500"));
        self.data(message);
    }

    pub(crate) fn file(&mut self, mode: &str, path: &[u8], content: &[u8]) {
        self.line_with(&format!("M {mode} inline "), path);
        self.data(content);
    }

    pub(crate) fn submodule(&mut self, path: &[u8], id: &str) {
        self.line_with(&format!("M 160000 {id} "), path);
    }

    pub(crate) fn remove(&mut self, path: &[u8]) {
        self.line_with("D ", path);
    }

    /// A line that ends with a path, quoted byte by byte.
    fn line_with(&mut self, before: &str, path: &[u8]) {
        self.bytes(before.as_bytes());
        self.bytes(b"\"");
        for byte in path {
            self.bytes(format!("\\{byte:03o}").as_bytes());
        }
        self.bytes(b"\"\n");
    }
}
