//! The nine tools.

pub(crate) mod blame;
pub(crate) mod branches;
pub(crate) mod diff;
pub(crate) mod files;
pub(crate) mod log;
pub(crate) mod readonly;
pub(crate) mod search;
pub(crate) mod show;

use std::sync::Arc;

use scopegate::toolkit::{
    Annotations, CallContext, Descriptor, Tool, ToolError, ToolOutput, typed,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::arguments::{Call, Shelf};
use crate::limits::Bounds;
use crate::page::Query;
use crate::schema::{self, Schemas};

/// A tool: what it is called, what it says of itself, and what it does.
struct Git<A, O> {
    name: &'static str,
    title: &'static str,
    description: &'static str,
    schemas: fn(&Bounds) -> Schemas,
    run: fn(&Call<'_>, &A) -> Result<O, ToolError>,
    shelf: Arc<Shelf>,
}

impl<A: DeserializeOwned + 'static, O: Serialize + 'static> Tool for Git<A, O> {
    fn descriptor(&self) -> Descriptor {
        let Schemas { input, output } = (self.schemas)(&self.shelf.bounds);
        Descriptor {
            name: self.name,
            title: self.title,
            description: self.description.into(),
            input_schema: input,
            output_schema: Some(output),
            annotations: Annotations::PURE,
        }
    }

    fn call(&self, arguments: Value, context: &CallContext) -> Result<ToolOutput, ToolError> {
        let query = Query::new(self.name, &arguments)?;
        let call = Call { shelf: &self.shelf, query: &query, deadline: &context.deadline };
        ToolOutput::structured(&(self.run)(&call, &typed(arguments)?)?)
    }
}

/// All tools, in the order they are listed.
pub(crate) fn all(shelf: &Arc<Shelf>) -> Vec<Arc<dyn Tool>> {
    let shelf = || Arc::clone(shelf);
    vec![
        Arc::new(Git {
            name: "git_log",
            title: "History",
            description: "Lists the commits behind a ref, newest first, with authors, dates and \
                          messages. With a path, only those that changed it.",
            schemas: schema::log,
            run: log::run,
            shelf: shelf(),
        }),
        Arc::new(Git {
            name: "git_show",
            title: "One commit",
            description: "Shows one commit: its message, and what it changed compared with its \
                          first parent, as a patch for each file.",
            schemas: schema::show,
            run: show::run,
            shelf: shelf(),
        }),
        Arc::new(Git {
            name: "git_diff",
            title: "Difference between two commits",
            description: "Shows what differs between two commits, with renames found, as a patch \
                          for each file.",
            schemas: schema::diff,
            run: diff::run,
            shelf: shelf(),
        }),
        Arc::new(Git {
            name: "git_blame",
            title: "Origin of lines",
            description: "Tells for each line of a file which commit and author it comes from.",
            schemas: schema::blame,
            run: blame::run,
            shelf: shelf(),
        }),
        Arc::new(Git {
            name: "git_search",
            title: "Search",
            description: "Searches the text of all files at a ref, or the messages of the commits \
                          behind it.",
            schemas: schema::search,
            run: search::run,
            shelf: shelf(),
        }),
        Arc::new(Git {
            name: "git_list_files",
            title: "Files",
            description: "Lists the files and folders at a ref, of one folder or of all below it.",
            schemas: schema::list_files,
            run: files::list,
            shelf: shelf(),
        }),
        Arc::new(Git {
            name: "git_read_file",
            title: "One file",
            description: "Reads a file as it is at a ref, whole or a range of its lines.",
            schemas: schema::read_file,
            run: files::read,
            shelf: shelf(),
        }),
        Arc::new(Git {
            name: "git_branches_tags",
            title: "Branches and tags",
            description: "Lists the branches and tags of a repository with their commits, and the \
                          names of all repositories.",
            schemas: schema::branches_tags,
            run: branches::run,
            shelf: shelf(),
        }),
        Arc::new(Git {
            name: "git_readonly",
            title: "Read-only git",
            description: "One of log, diff, blame and search on a path that begins with the name \
                          of a repository, such as `website/src/main.rs`. The other git tools do \
                          the same with more choices.",
            schemas: schema::readonly,
            run: readonly::run,
            shelf: shelf(),
        }),
    ]
}
