"""Reads a document with python-docx or html5lib, and prints what is in it as JSON.

    read.py docx|html FILE
"""

import json
import sys
import zipfile

import docx
import docx.enum.section
import html5lib
from docx.oxml.ns import qn
from lxml import etree


def read_docx(path):
    # Every part must be XML that can be parsed, and every relation must lead
    # somewhere.
    with zipfile.ZipFile(path) as package:
        names = package.namelist()
        assert package.testzip() is None
        assert len(set(names)) == len(names)
        dates = {entry.date_time for entry in package.infolist()}
        for name in names:
            if name.endswith((".xml", ".rels")):
                etree.fromstring(package.read(name))
    document = docx.Document(path)
    section = document.sections[0]
    body = document.element.body

    def paragraph(one):
        return {
            "style": one.style.name,
            "text": one.text,
            "bold": "".join(run.text for run in one.runs if run.bold),
            "italic": "".join(run.text for run in one.runs if run.italic),
            "rtl": one._p.find(qn("w:pPr") + "/" + qn("w:bidi")) is not None,
            "numbered": one._p.find(qn("w:pPr") + "/" + qn("w:numPr")) is not None,
            "links": [[link.address or "#" + link.fragment, link.text] for link in one.hyperlinks],
        }

    footnotes = [part for part in document.part.package.iter_parts()
                 if str(part.partname) == "/word/footnotes.xml"]
    notes = []
    if footnotes:
        tree = etree.fromstring(footnotes[0].blob)
        for note in tree.findall(qn("w:footnote")):
            if note.get(qn("w:type")) is None:
                notes.append("".join(note.itertext()).strip())
    images = [part for part in document.part.package.image_parts]
    return {
        "title": document.core_properties.title,
        "language": document.core_properties.language,
        "dates": sorted(map(list, dates)),
        "names": names,
        "page_mm": [round(section.page_width.mm), round(section.page_height.mm)],
        "margins_mm": [round(side.mm, 1) for side in (
            section.top_margin, section.right_margin,
            section.bottom_margin, section.left_margin)],
        "landscape": section.orientation == docx.enum.section.WD_ORIENT.LANDSCAPE,
        "header": "".join(one.text for one in section.header.paragraphs),
        "footer": "".join(one.text for one in section.footer.paragraphs),
        "fields": [field.get(qn("w:instr")).strip() for field in
                   section.footer._element.iter(qn("w:fldSimple"))],
        "paragraphs": [paragraph(one) for one in document.paragraphs],
        "tables": [[[cell.text for cell in row.cells] for row in table.rows]
                   for table in document.tables],
        "references": [int(one.get(qn("w:id"))) for one in body.iter(qn("w:footnoteReference"))],
        "notes": notes,
        "bookmarks": [one.get(qn("w:name")) for one in body.iter(qn("w:bookmarkStart"))],
        "images": [[image.content_type, image.image.px_width, image.image.px_height]
                   for image in images],
        "shapes_mm": [[round(shape.width.mm, 1), round(shape.height.mm, 1)]
                      for shape in document.inline_shapes],
    }


def read_html(path):
    with open(path, "rb") as file:
        source = file.read()
    # Strict: any mistake in it is an error.
    parser = html5lib.HTMLParser(
        html5lib.getTreeBuilder("etree"), strict=True, namespaceHTMLElements=False)
    tree = parser.parse(source)
    elements = {}
    attributes = set()
    for element in tree.iter():
        if isinstance(element.tag, str):
            elements[element.tag] = elements.get(element.tag, 0) + 1
            attributes.update(element.tag + "." + name for name in element.attrib)
    ids = [element.get("id") for element in tree.iter() if element.get("id")]
    meta = {element.get("http-equiv") or element.get("name") or "": element.get("content")
            for element in tree.iter("meta")}
    return {
        "title": tree.findtext("head/title"),
        "language": tree.get("lang"),
        "direction": tree.get("dir"),
        "policy": meta.get("Content-Security-Policy"),
        "elements": elements,
        "attributes": sorted(attributes),
        "ids": ids,
        "links": [[element.get("href"), "".join(element.itertext())]
                  for element in tree.iter("a")],
        "images": [[element.get("src"), element.get("alt")] for element in tree.iter("img")],
        "headings": [[element.tag, "".join(element.itertext())] for element in tree.iter()
                     if element.tag in ("h1", "h2", "h3", "h4", "h5", "h6")],
        "text": " ".join("".join(tree.find("body").itertext()).split()),
        "tables": [[["".join(cell.itertext()) for cell in row] for row in table.iter("tr")]
                   for table in tree.iter("table")],
        "checked": ["checked" in element.attrib for element in tree.iter("input")],
    }


kind, path = sys.argv[1:]
print(json.dumps({"docx": read_docx, "html": read_html}[kind](path)))
