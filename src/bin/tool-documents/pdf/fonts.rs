//! The fonts: DejaVu, which is in the binary, and those of a folder.

use std::borrow::Cow;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use parley::fontique::{Blob, Collection, CollectionOptions, SourceCache};
use parley::{FontContext, FontFamilyName};

/// The family of text and headings.
const TEXT: &str = "DejaVu Sans";
/// The family of code.
const MONO: &str = "DejaVu Sans Mono";

/// Most files of a folder, and their bytes.
const MOST_FILES: usize = 500;
const MOST_BYTES: u64 = 512 * 1024 * 1024;
/// Deepest folder below the one that is named.
const DEEPEST: usize = 4;

/// All fonts there are. What one family lacks, the next one may have.
#[derive(Clone)]
pub(crate) struct Fonts {
    context: FontContext,
    text: Arc<[FontFamilyName<'static>]>,
    mono: Arc<[FontFamilyName<'static>]>,
}

impl Fonts {
    /// The fonts in the binary.
    pub(crate) fn bundled() -> Self {
        // What is installed on a machine must not change a document.
        let options = CollectionOptions { shared: false, system_fonts: false };
        let mut context = FontContext {
            collection: Collection::new(options),
            source_cache: SourceCache::default(),
        };
        for font in [
            dejavu::sans::regular(),
            dejavu::sans::bold(),
            dejavu::sans::oblique(),
            dejavu::sans::bold_oblique(),
            dejavu::sans_mono::regular(),
            dejavu::sans_mono::bold(),
            dejavu::sans_mono::oblique(),
            dejavu::sans_mono::bold_oblique(),
        ] {
            context.collection.register_fonts(Blob::new(Arc::new(font)), None);
        }
        let family = FontFamilyName::named;
        Self {
            context,
            text: Arc::new([family(TEXT), family(MONO)]),
            mono: Arc::new([family(MONO), family(TEXT)]),
        }
    }

    /// Adds the fonts of a folder, in the order of their paths: TrueType, OpenType
    /// and collections of them. Gives how many families they are.
    ///
    /// # Errors
    /// What is wrong with the folder, or with a font in it.
    pub(crate) fn add_folder(&mut self, folder: &Path) -> Result<usize, String> {
        let mut files = Vec::new();
        collect(folder, 0, &mut files)
            .map_err(|error| format!("{} cannot be read: {error}", folder.display()))?;
        files.sort();
        let mut left = MOST_BYTES;
        let mut families: Vec<String> = Vec::new();
        for file in files {
            let size = fs::metadata(&file).map_or(0, |metadata| metadata.len());
            left = left
                .checked_sub(size)
                .ok_or_else(|| format!("the fonts in {} are too large", folder.display()))?;
            let bytes = fs::read(&file)
                .map_err(|error| format!("{} cannot be read: {error}", file.display()))?;
            let added = self.context.collection.register_fonts(Blob::from(bytes), None);
            if added.is_empty() {
                return Err(format!("{} is no font", file.display()));
            }
            for (id, fonts) in added {
                // Their shapes depend on more than the file: not in a document
                // that is to be the same every time.
                if fonts.iter().any(|font| !font.axes().is_empty()) {
                    return Err(format!("{} is a variable font", file.display()));
                }
                let name = self.context.collection.family_name(id).map(str::to_owned);
                families.extend(name.filter(|name| !families.contains(name)));
            }
        }
        let append = |known: &[FontFamilyName<'static>]| -> Arc<[FontFamilyName<'static>]> {
            let new = families.iter().map(|name| FontFamilyName::Named(Cow::Owned(name.clone())));
            known.iter().cloned().chain(new).collect()
        };
        (self.text, self.mono) = (append(&self.text), append(&self.mono));
        Ok(families.len())
    }

    /// A copy to set text with.
    pub(super) fn context(&self) -> FontContext {
        self.context.clone()
    }

    pub(super) fn text(&self) -> &[FontFamilyName<'static>] {
        &self.text
    }

    pub(super) fn mono(&self) -> &[FontFamilyName<'static>] {
        &self.mono
    }
}

fn collect(
    folder: &Path,
    depth: usize,
    files: &mut Vec<std::path::PathBuf>,
) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() && depth < DEEPEST {
            collect(&path, depth + 1, files)?;
        }
        let extension = path.extension().and_then(|extension| extension.to_str());
        let is_font = extension.is_some_and(|extension| {
            ["ttf", "otf", "ttc", "otc"].iter().any(|known| extension.eq_ignore_ascii_case(known))
        });
        if is_font && path.is_file() {
            files.push(path);
        }
        if files.len() > MOST_FILES {
            return Err(std::io::Error::other(format!("there are more than {MOST_FILES} fonts")));
        }
    }
    Ok(())
}
