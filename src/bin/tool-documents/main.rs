//! `tool-documents`: PDF, DOCX and HTML of Markdown as a tool service behind the
//! gateway.
//!
//! It starts no program and opens no connection; the same text gives the same
//! bytes, every time and everywhere.

mod checks;
mod docx;
mod escape;
mod html;
mod limits;
mod markdown;
mod options;
mod pdf;
mod resources;
mod schema;
mod sweeper;
mod tool;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use scopegate::clock::Clock;
use scopegate::files::{Room, Shelf, Store};
use scopegate::toolkit::{
    self, Definition, Environment, Manual, OwnOption, Program, Resources, Sandbox,
};

use crate::pdf::Fonts;
use crate::resources::Documents;
use crate::tool::Generator;

const NAME: &str = "tool-documents";
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Where documents are kept.
const FOLDER: &str = "DOCUMENTS_FOLDER";
/// Further fonts.
const FONTS: &str = "DOCUMENTS_FONTS";

fn main() -> ExitCode {
    toolkit::run(&Program {
        name: NAME,
        version: VERSION,
        listen_variable: "DOCUMENTS_LISTEN",
        default_listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8003)),
        options: &[
            OwnOption {
                flag: "folder",
                value_name: "DIR",
                variable: FOLDER,
                help: "Where documents are kept; the gateway's files.folder",
            },
            OwnOption {
                flag: "fonts",
                value_name: "DIR",
                variable: FONTS,
                help: "Further fonts for PDF; may be given several times",
            },
        ],
        limits: limits::RANGES,
        manual: MANUAL,
        define,
    })
}

fn define(environment: &mut Environment) -> Definition {
    let (bounds, room, limits) = limits::read(environment);
    let fonts = fonts(environment);
    let public_url = public_url(environment);
    let sandbox = environment.value("DOCUMENTS_SANDBOX", Sandbox::Try, "require, try or off");
    let store = store(environment, room, sandbox);
    let resources =
        store.as_ref().map(|store| Arc::new(Documents(Arc::clone(store))) as Arc<dyn Resources>);
    let generator = Arc::new(Generator { bounds, fonts, store, public_url });
    Definition {
        name: NAME,
        title: "Documents",
        version: VERSION,
        instructions: "document_generate makes PDF, DOCX or HTML of Markdown. Give its \
                       download_url to the user, or read the file with resources/read and the \
                       uri of the answer. Images must be data URIs. Look at warnings: they say \
                       what is missing from the document.",
        checks: checks::all(&generator),
        tools: vec![generator],
        resources,
        limits,
        routes: |_| {},
    }
}

/// The bundled fonts, and those of folders that are named.
fn fonts(environment: &mut Environment) -> Fonts {
    let mut fonts = Fonts::bundled();
    for folder in environment.list(FONTS) {
        match fonts.add_folder(&PathBuf::from(&folder)) {
            Ok(0) => environment.problem(format!("{FONTS}: there is no font in {folder}")),
            Ok(_) => {}
            Err(problem) => environment.problem(format!("{FONTS}: {problem}")),
        }
    }
    fonts
}

fn public_url(environment: &mut Environment) -> String {
    const VARIABLE: &str = "GATEWAY_PUBLIC_URL";
    let default = "http://localhost:8000".to_owned();
    let text = environment.text(VARIABLE).unwrap_or(default);
    match url::Url::parse(&text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => {}
        Ok(_) | Err(_) => {
            environment.problem(format!("{VARIABLE} must begin with http:// or https://"));
        }
    }
    text.trim_end_matches('/').to_owned()
}

/// Where documents are kept, and tidied up; nowhere when no folder is named. From
/// here on the process can use that folder and no other: the fonts are read.
fn store(environment: &mut Environment, room: Room, sandbox: Sandbox) -> Option<Arc<Store>> {
    let folders: Vec<PathBuf> = environment.list(FOLDER).iter().map(PathBuf::from).collect();
    if folders.len() > 1 {
        environment.problem(format!("{FOLDER} must name one folder"));
    }
    if !environment.problems().is_empty() {
        return None;
    }
    let store = folders.first().and_then(|folder| {
        let opened = Store::open(Shelf::new(folder), room, Clock::system());
        let shown = folder.display();
        let complain =
            |error| environment.problem(format!("{FOLDER}: {shown} cannot be used: {error}"));
        opened.map_err(complain).ok().map(Arc::new)
    });
    if let Err(problem) = sandbox.enter(&[], &folders) {
        environment.problem(format!("DOCUMENTS_SANDBOX=require, {problem}"));
    }
    // Not before, so that the thread is in it, too.
    if let Some(Err(error)) = store.as_ref().map(sweeper::start) {
        environment.problem(format!("{FOLDER} cannot be tidied up: {error}"));
    }
    store
}

const MANUAL: Manual = Manual {
    about: "PDF, DOCX and HTML of Markdown as a tool service",
    description: "\
Serves one tool over the Model Context Protocol: document_generate. It makes a
file of Markdown and keeps it in a folder, below the name of the user that the
gateway names in X-User-ID. The gateway hands it out at /files/USER/NAME, and
resources/read reads it; both to its owner only (the gateway to admins, too).

Nothing is fetched, no program is started, and HTML in the text is never copied
to a document. The same arguments give the same bytes. Where the kernel has
Landlock, it holds the process to its folder.

PDF is set in DejaVu, which covers the Latin, Greek, Cyrillic, Armenian,
Georgian, Hebrew and Arabic scripts and many symbols. For others, such as
Chinese, Japanese and Korean, give a folder with fonts for them; a character
that no font has shows as a box, and the answer says so. DOCX and HTML are
shown in the fonts of whoever opens them.

The service stands behind the gateway: it answers only requests that carry
the shared secret in the header X-Gateway-Auth.",
    environment: "  \
  DOCUMENTS_FOLDER
          Where documents are kept; without it, nothing can be made
  DOCUMENTS_FONTS
          Folders with further fonts (TrueType, OpenType), by commas
  GATEWAY_PUBLIC_URL
          How clients reach the gateway [default: http://localhost:8000]
  DOCUMENTS_SANDBOX
          require, try or off: whether the kernel (Landlock) must hold the
          process to its folder [default: try]
  DOCUMENTS_KEEP_HOURS
          How long a document is kept, 1 to 8760 hours [default: 24]
  DOCUMENTS_MAX_USER_FILES
          Most documents of a user, 1 to 100000 [default: 100]
  DOCUMENTS_MAX_USER_BYTES
          Most bytes of a user's documents [default: 104857600]
  DOCUMENTS_MAX_TOTAL_BYTES
          Most bytes of all documents [default: 10737418240]
  DOCUMENTS_MAX_DOCUMENT_BYTES
          Largest document, 1024 to 268435456 bytes [default: 33554432]
  DOCUMENTS_MAX_PAGES
          Most pages of a PDF, 1 to 5000 [default: 500]
  DOCUMENTS_MAX_TABLE_CELLS
          Most cells of all tables of a text, 1 to 200000 [default: 20000]
  DOCUMENTS_MAX_IMAGES
          Most images of a text, 0 to 1000 [default: 64]
  DOCUMENTS_MAX_PIXELS
          Most pixels of all images [default: 32000000]
",
    endpoints: "",
    examples: "  \
  tool-documents --shared-secret-file secret.txt --folder /var/lib/scopegate-files
          Serve on the default address
  curl -s http://127.0.0.1:8003/mcp -H 'content-type: application/json' \\
       -H \"x-gateway-auth: $(cat secret.txt)\" -H 'x-user-id: ann' \\
       -d '{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{
       \"name\":\"document_generate\",\"arguments\":{\"format\":\"pdf\",
       \"content\":\"# Hello\"}}}'
          Make a PDF for the user ann",
};
