//! `tool-git`: the history of git repositories, read-only, as a tool service
//! behind the gateway.
//!
//! It reads objects and references, and nothing else: no program is started,
//! no configuration read, no connection opened, and what it links of gitoxide
//! could do none of these.

mod arguments;
mod blame;
mod changes;
mod checks;
mod commits;
mod jail;
mod limits;
mod merge_base;
mod names;
mod page;
mod patch;
mod reader;
mod refs;
mod renames;
mod repositories;
mod schema;
mod similarity;
mod text;
mod tools;
mod tree;
mod walk;

use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::sync::Arc;

use scopegate::toolkit::{self, Definition, Environment, Manual, OwnOption, Program, Sandbox};

use crate::arguments::Shelf;
use crate::repositories::Repositories;

const NAME: &str = "tool-git";
const VERSION: &str = env!("CARGO_PKG_VERSION");

fn main() -> ExitCode {
    toolkit::run(&Program {
        name: NAME,
        version: VERSION,
        listen_variable: "GIT_LISTEN",
        default_listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8002)),
        options: &[OwnOption {
            flag: "repo",
            value_name: "NAME=PATH",
            variable: repositories::VARIABLE,
            help: "A repository to serve, bare or not; may be given several times",
        }],
        limits: limits::RANGES,
        manual: MANUAL,
        define,
    })
}

fn define(environment: &mut Environment) -> Definition {
    let (bounds, limits) = limits::read(environment);
    let repositories = Repositories::read(environment, &bounds);
    let sandbox = environment.value("GIT_SANDBOX", Sandbox::Try, "require, try or off");
    if environment.problems().is_empty()
        && let Err(problem) = sandbox.enter(&repositories.folders(), &[])
    {
        environment.problem(format!("GIT_SANDBOX=require, {problem}"));
    }
    Definition {
        name: NAME,
        title: "Git, read-only",
        version: VERSION,
        instructions: "Read the history and the files of git repositories. git_branches_tags tells \
                       which repositories there are. Answers come in pages: call again with \
                       next_cursor as cursor for the next one.",
        tools: tools::all(&Arc::new(Shelf { repositories, bounds })),
        resources: None,
        limits,
        routes: |_| {},
        checks: checks::all(),
    }
}

const MANUAL: Manual = Manual {
    about: "History, files and search of git repositories as a read-only tool service",
    description: "\
Serves nine tools over the Model Context Protocol: git_log, git_show, git_diff,
git_blame, git_search, git_list_files, git_read_file, git_branches_tags and
git_readonly. They read what is committed, of the repositories named here and
of no other; of a repository they read objects and references only. Its
configuration, hooks, filters, working tree, submodules, replaced objects and
grafts are not looked at; one that borrows objects of another repository or
has symbolic links in it is refused. No program is started and no connection
opened, and where the kernel has Landlock it holds the process to that.

Who may call the tools may read all of a repository, by its id also what no
branch leads to any more. What must not be read must not be in it.

The service stands behind the gateway: it answers only requests that carry
the shared secret in the header X-Gateway-Auth. A repository may be fetched
into while it is served; one that is replaced by another folder needs a
restart.",
    environment: "  \
  GIT_REPOSITORIES
          The repositories, NAME=PATH each, by commas [default: none]
  GIT_SANDBOX
          require, try or off: whether the kernel (Landlock) must hold the
          process to its repositories [default: try]
  GIT_MAX_PAGE_ITEMS
          Most items on a page, 1 to 10000 [default: 200]
  GIT_MAX_PAGE_BYTES
          About the largest page, 1024 to 4194304 bytes [default: 131072]
  GIT_MAX_COMMITS
          Most commits looked at for a page, 1 to 10000000 [default: 100000]
  GIT_MAX_ENTRIES
          Most files, folders and changes looked at in a call, 1 to 10000000
          [default: 200000]
  GIT_MAX_FILE_BYTES
          Largest file that is looked into, 1024 to 67108864 bytes
          [default: 4194304]
  GIT_MAX_DEPTH
          Deepest folder, 1 to 512 [default: 64]
",
    endpoints: "",
    examples: "  \
  tool-git --shared-secret-file secret.txt --repo website=../website.git
          Serve one repository on the default address
  curl -s http://127.0.0.1:8002/mcp -H 'content-type: application/json' \\
       -H \"x-gateway-auth: $(cat secret.txt)\" -d '{\"jsonrpc\":\"2.0\",\"id\":1,
       \"method\":\"tools/call\",\"params\":{\"name\":\"git_log\",
       \"arguments\":{\"limit\":3}}}'
          The three newest commits",
};
