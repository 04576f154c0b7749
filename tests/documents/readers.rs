//! Programs that read documents and know nothing of how they were made.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use support::scratch::Scratch;

/// A folder with Chinese and Japanese letters.
pub(crate) const FONTS: &str = "/usr/share/fonts/truetype/droid";

/// Where `scripts/install-document-readers` puts Python's packages.
fn python() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target/document-readers/python/bin/python")
}

fn run(program: &Path, arguments: &[&str]) -> Output {
    Command::new(program).args(arguments).output().unwrap_or_else(|error| {
        panic!("{}: {error}; run ./scripts/install-document-readers", program.display())
    })
}

/// What a program prints; it must not complain.
fn printed(program: &Path, arguments: &[&str]) -> String {
    let output = run(program, arguments);
    let (out, err) = (output.stdout, String::from_utf8_lossy(&output.stderr).into_owned());
    assert!(output.status.success(), "{}: {err}", program.display());
    assert_eq!(err, "", "{}", program.display());
    String::from_utf8(out).unwrap()
}

/// A document as a file, while it is read.
struct Filed {
    _scratch: Scratch,
    path: String,
}

fn filed(bytes: &[u8], extension: &str) -> Filed {
    let scratch = Scratch::new("sg-document");
    let path = scratch.path().join(format!("document.{extension}"));
    std::fs::write(&path, bytes).unwrap();
    Filed { path: path.display().to_string(), _scratch: scratch }
}

/// The text of a PDF as it stands on the pages (poppler), once qpdf has found
/// nothing wrong with it.
pub(crate) fn pdf_text(bytes: &[u8]) -> String {
    let file = filed(bytes, "pdf");
    let checked = printed(Path::new("qpdf"), &["--check", &file.path]);
    assert!(checked.contains("No syntax or stream encoding errors found"), "{checked}");
    printed(Path::new("pdftotext"), &["-layout", &file.path, "-"])
}

/// The text of a PDF in the order it was written.
pub(crate) fn pdf_raw(bytes: &[u8]) -> String {
    printed(Path::new("pdftotext"), &["-raw", &filed(bytes, "pdf").path, "-"])
}

/// A line that `pdfinfo` prints of a PDF.
pub(crate) fn pdf_info(bytes: &[u8], name: &str) -> Option<String> {
    let info = printed(Path::new("pdfinfo"), &[&filed(bytes, "pdf").path]);
    let line = info.lines().find_map(|line| line.strip_prefix(&format!("{name}:")));
    line.map(|value| value.trim().to_owned())
}

/// Where words stand, as `pdftotext -bbox` prints it.
pub(crate) fn pdf_boxes(bytes: &[u8]) -> Vec<(String, [f32; 4])> {
    let page = printed(Path::new("pdftotext"), &["-bbox", &filed(bytes, "pdf").path, "-"]);
    let number = |line: &str, name: &str| {
        let from = line.split_once(&format!("{name}=\"")).unwrap().1;
        from.split_once('"').unwrap().0.parse::<f32>().unwrap()
    };
    page.lines()
        .filter(|line| line.trim_start().starts_with("<word"))
        .map(|line| {
            let word = line.split_once('>').unwrap().1.split_once("</word>").unwrap().0;
            let sides = ["xMin", "yMin", "xMax", "yMax"].map(|name| number(line, name));
            (word.to_owned(), sides)
        })
        .collect()
}

/// The links of a PDF, as qpdf's JSON has them: addresses, and how many lead to a
/// place in it.
pub(crate) fn pdf_links(bytes: &[u8]) -> (Vec<String>, usize) {
    let json = printed(Path::new("qpdf"), &["--json", &filed(bytes, "pdf").path]);
    let json: Value = serde_json::from_str(&json).unwrap();
    let objects = json["qpdf"][1].as_object().unwrap();
    let (mut addresses, mut inside) = (Vec::new(), 0);
    for object in objects.values().map(|object| &object["value"]) {
        if object["/Subtype"] == "/Link" {
            match object["/A"]["/URI"].as_str() {
                Some(address) => addresses.push(address.trim_start_matches("u:").to_owned()),
                None => inside += 1,
            }
        }
    }
    addresses.sort();
    (addresses, inside)
}

/// A page of a PDF as an image: width, height, and each pixel's red, green, blue.
pub(crate) fn pdf_page(bytes: &[u8], page: usize) -> (usize, usize, Vec<[u8; 3]>) {
    let number = page.to_string();
    let arguments = ["-f", &number, "-l", &number, "-r", "72"];
    let file = filed(bytes, "pdf");
    let output = run(Path::new("pdftoppm"), &[&arguments[..], &[&file.path]].concat());
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    // P6, width and height, the highest value, and then the pixels.
    let mut parts = output.stdout.splitn(4, u8::is_ascii_whitespace);
    let mut number = || String::from_utf8(parts.next().unwrap().to_vec()).unwrap();
    assert_eq!(number(), "P6");
    let (width, height) = (number().parse().unwrap(), number().parse().unwrap());
    let pixels = parts.next().unwrap().strip_prefix(b"255\n").unwrap();
    let pixels: Vec<[u8; 3]> = pixels.as_chunks().0.to_vec();
    assert_eq!(pixels.len(), width * height);
    (width, height, pixels)
}

/// What python-docx finds in a DOCX.
pub(crate) fn docx(bytes: &[u8]) -> Value {
    python_reads("docx", bytes)
}

/// What html5lib finds in HTML; the first mistake in it fails.
pub(crate) fn html(bytes: &[u8]) -> Value {
    python_reads("html", bytes)
}

fn python_reads(kind: &str, bytes: &[u8]) -> Value {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/documents/read.py");
    let file = filed(bytes, kind);
    let json = printed(&python(), &[&script.display().to_string(), kind, &file.path]);
    serde_json::from_str(&json).unwrap()
}

/// Whether LibreOffice is to read documents, too: `./scripts/test --office`.
pub(crate) fn has_office() -> bool {
    std::env::var_os("TEST_OFFICE").is_some()
}

/// The PDF that LibreOffice makes of a DOCX.
pub(crate) fn office_pdf(bytes: &[u8]) -> Vec<u8> {
    let file = filed(bytes, "docx");
    let folder = Path::new(&file.path).parent().unwrap();
    let home = format!("-env:UserInstallation=file://{}/office", folder.display());
    let folder = folder.display().to_string();
    let arguments =
        [home.as_str(), "--headless", "--convert-to", "pdf", "--outdir", &folder, &file.path];
    let output = run(Path::new("soffice"), &arguments);
    assert!(output.status.success(), "{output:?}");
    std::fs::read(file.path.replace(".docx", ".pdf")).unwrap()
}
