//! HTML, as a parser that takes no mistakes sees it.

use serde_json::{Value, json};

use crate::readers::html;
use crate::service::Service;
use crate::{PIXEL, SAMPLE};

/// All elements that a document may have.
const ELEMENTS: [&str; 43] = [
    "html",
    "head",
    "meta",
    "title",
    "style",
    "body",
    "header",
    "footer",
    "main",
    "nav",
    "section",
    "p",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "a",
    "strong",
    "em",
    "del",
    "u",
    "mark",
    "sub",
    "sup",
    "code",
    "pre",
    "br",
    "hr",
    "blockquote",
    "ul",
    "ol",
    "li",
    "input",
    "table",
    "thead",
    "tbody",
    "tr",
    "th",
    "td",
    "img",
    "span",
];
/// All attributes.
const ATTRIBUTES: [&str; 17] = [
    "lang",
    "dir",
    "charset",
    "http-equiv",
    "content",
    "name",
    "class",
    "id",
    "href",
    "rel",
    "src",
    "alt",
    "width",
    "height",
    "start",
    "type",
    "disabled",
];

#[test]
fn everything_of_the_text_is_on_the_page() {
    let service = Service::start();
    let options = json!({"title": "Q & A", "toc": true, "header": "{title}", "language": "de"});
    let read = html(&service.make("html", SAMPLE, options).bytes);
    assert_eq!(read["title"], "Q & A");
    assert_eq!(read["language"], "de");
    assert_eq!(read["headings"][1], json!(["h2", "Lists"]));
    assert_eq!(
        read["ids"],
        json!([
            "report-überblick",
            "lists",
            "tables-of-all-kinds",
            "code",
            "third-level",
            "lists-1",
            "fn:1",
            "fn:2"
        ])
    );
    let links = read["links"].as_array().unwrap();
    assert!(links.contains(&json!(["https://example.org/a?b=c&d", "link"])));
    assert!(links.contains(&json!(["#tables-of-all-kinds", "inside"])));
    assert!(links.contains(&json!(["#lists-1", "Lists"])));
    // Whatever is linked to is there.
    let ids: Vec<&Value> = read["ids"].as_array().unwrap().iter().collect();
    for link in links {
        if let Some(anchor) = link[0].as_str().unwrap().strip_prefix('#') {
            assert!(ids.contains(&&json!(anchor)), "{anchor}");
        }
    }
    assert_eq!(read["tables"][0][2], json!(["Beta", "1,000.00", "strong and code"]));
    assert_eq!(read["checked"], json!([true, false]));
    assert_eq!(read["images"], json!([[PIXEL, "a red dot"]]));
    let text = read["text"].as_str().unwrap();
    for part in [
        "H2O, x2 and marked text",
        "println!(\"<{}> & \\\"{}\\\"\", 1 + 2, 'x');",
        "and a quote inside",
        "And a second paragraph.",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    // Numbers of pages say nothing here.
    assert_eq!(read["elements"].get("footer"), None);
}

#[test]
fn no_markup_of_the_text_gets_through() {
    let service = Service::start();
    let hostile = [
        "<script>alert(1)</script>",
        "a <script>alert(1)</script> b",
        "<img src=x onerror=alert(1)>",
        "a <img src=\"https://example.org/x.png\"> b",
        "<svg onload=alert(1)>",
        "<iframe src=\"javascript:alert(1)\"></iframe>",
        "<b onclick=alert(1)>x</b> <u style=\"x\">y</u>",
        "<style>body{background:url(https://example.org)}</style>",
        "<base href=\"https://example.org\"><meta http-equiv=refresh content=\"0\">",
        "<form action=\"https://example.org\"><input autofocus onfocus=alert(1)></form>",
        "[x](javascript:alert(1)) [y](JAVASCRIPT:alert(1)) [z](data:text/html,<script>)",
        "[x](<java\tscript:alert(1)>) [y](&#106;avascript:alert(1)) [v](vbscript:x)",
        "![x](https://example.org/x.png) ![y](//example.org/x.png) ![z](file:///etc/passwd)",
        "![x](data:image/svg+xml;base64,PHN2ZyBvbmxvYWQ9ImFsZXJ0KDEpIi8+)",
        "[x](https://example.org/\"onmouseover=alert(1)//)",
        "[x](https://example.org 'title\" onmouseover=\"alert(1)')",
        "![\" onerror=\"alert(1)](https://example.org)",
        "# <script>alert(1)</script> \"><script>alert(2)</script>",
        "`</code><script>alert(1)</script>`",
        "```\"><script>\n</pre><script>alert(1)</script>\n```",
        "| <script> | b |\n|---|---|\n| </td><script>alert(1)</script> | \" |",
        "x[^\"><script>]\n\n[^\"><script>]: <script>alert(1)</script>",
        "<!-- <script> --> <![CDATA[ <script> ]]> <?php <script> ?>",
        "&lt;script&gt;alert(1)&lt;/script&gt; &#60;script&#62;",
        "<a href=\"https://example.org\" onclick=x>link</a>",
        "</main></body></html><script>alert(1)</script>",
    ];
    let mut texts: Vec<String> = hostile.iter().map(ToString::to_string).collect();
    texts.push(hostile.join("\n\n"));
    for content in texts {
        let options = json!({
            "title": "</title><script>alert(1)</script>", "toc": true,
            "header": "<script>{title}</script>", "footer": "\"><img src=x onerror=alert(1)>",
        });
        let made = service.make("html", &content, options);
        let read = html(&made.bytes);
        for element in read["elements"].as_object().unwrap().keys() {
            assert!(ELEMENTS.contains(&element.as_str()), "{element} of {content}");
        }
        for attribute in read["attributes"].as_array().unwrap() {
            let (_, name) = attribute.as_str().unwrap().split_once('.').unwrap();
            assert!(ATTRIBUTES.contains(&name) || name == "checked", "{attribute} of {content}");
        }
        for link in read["links"].as_array().unwrap() {
            let href = link[0].as_str().unwrap();
            assert!(href.starts_with('#') || href.starts_with("https://"), "{href} of {content}");
        }
        for image in read["images"].as_array().unwrap() {
            assert!(image[0].as_str().unwrap().starts_with("data:image/png;base64,"), "{image}");
        }
        let policy = read["policy"].as_str().unwrap();
        assert!(policy.starts_with("default-src 'none'") && !policy.contains("script"));
    }
}

#[test]
fn direction_is_the_texts_or_as_asked_for() {
    let service = Service::start();
    let read = |options: Value| html(&service.make("html", "שלום", options).bytes);
    assert_eq!(read(json!({}))["direction"], Value::Null);
    assert_eq!(read(json!({"direction": "rtl"}))["direction"], "rtl");
    assert_eq!(read(json!({"direction": "ltr"}))["direction"], "ltr");
}
