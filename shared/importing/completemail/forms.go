package completemail

import (
	"fmt"
	"html"
	"strings"
	"unicode/utf8"
)

// text is the plain form. Mail programs break its lines.
func (c content) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\n%s\n", c.title, c.summary)
	labels, values := 0, 0
	for _, r := range append(c.facts, c.counts...) {
		labels = max(labels, utf8.RuneCountInString(r.label))
	}
	for _, r := range c.counts {
		values = max(values, len(r.value))
	}
	b.WriteByte('\n')
	for _, r := range c.facts {
		fmt.Fprintf(&b, "%-*s %s\n", labels+1, r.label+":", r.value)
	}
	b.WriteByte('\n')
	for _, r := range c.counts {
		fmt.Fprintf(&b, "%-*s %*s\n", labels+1, r.label+":", values, r.value)
	}
	if c.link != "" {
		fmt.Fprintf(&b, "\nDownload the results:\n%s\n", c.link)
	}
	for _, note := range c.notes {
		fmt.Fprintf(&b, "\n%s\n", note)
	}
	return b.String()
}

// The colors are also in the style attributes, because some mail programs drop the style
// element; those know no dark mode either. Dark mode is asked for, so that no program
// makes up colors of its own.
const head = `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="supported-color-schemes" content="light dark">
<title>%[1]s</title>
<style>
:root { color-scheme: light dark; }
@media (prefers-color-scheme: dark) {
  .page { background: #16181d !important; color: #e8eaed !important; }
  .quiet { color: #a8adb5 !important; }
  .line { border-color: #3a3f47 !important; }
  .button { background: #8ab4f8 !important; color: #16181d !important; }
  .address { color: #8ab4f8 !important; }
}
</style>
</head>
<body class="page" style="margin:0;padding:0;background:#ffffff;color:#1f2328;-webkit-text-size-adjust:100%%">
<div class="page" style="background:#ffffff;color:#1f2328">
<div style="max-width:560px;margin:0 auto;padding:24px 20px;font-family:-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif;font-size:16px;line-height:1.5">
<h1 style="margin:0 0 12px;font-size:22px;line-height:1.3">%[1]s</h1>
<p style="margin:0 0 20px">%[2]s</p>
`

const foot = "</div>\n</div>\n</body>\n</html>\n"

// The parts of the HTML form. What is put into them is escaped.
const (
	tableHTML = "<table role=\"presentation\" style=\"width:100%;border-collapse:collapse;margin:0 0 20px\">\n"
	countHTML = "<tr><td class=\"line\" style=\"padding:8px 0;border-bottom:1px solid #d8dce1\">%s</td>" +
		"<td class=\"line\" style=\"padding:8px 0;border-bottom:1px solid #d8dce1;text-align:right;font-weight:600;font-variant-numeric:tabular-nums\">%s</td></tr>\n"
	factHTML = "<tr><td class=\"quiet\" style=\"padding:3px 12px 3px 0;color:#59636e;font-size:14px;vertical-align:top\">%s</td>" +
		"<td style=\"padding:3px 0;font-size:14px;word-break:break-word\"><bdi>%s</bdi></td></tr>\n"
	linkHTML = "<p style=\"margin:0 0 12px\"><a class=\"button\" href=\"%[1]s\" style=\"display:inline-block;padding:12px 20px;border-radius:6px;" +
		"background:#0b57d0;color:#ffffff;font-weight:600;text-decoration:none\">Download the results</a></p>\n" +
		"<p class=\"quiet\" style=\"margin:0 0 20px;color:#59636e;font-size:13px;word-break:break-all\">Or open this address: <a class=\"address\" href=\"%[1]s\" style=\"color:#0b57d0\">%[1]s</a></p>\n"
	noteHTML = "<p style=\"margin:0 0 16px\">%s</p>\n"
)

// html is the form that most people see.
func (c content) html() string {
	var b strings.Builder
	fmt.Fprintf(&b, head, html.EscapeString(c.title), html.EscapeString(c.summary))
	rows(&b, countHTML, c.counts)
	if c.link != "" {
		fmt.Fprintf(&b, linkHTML, html.EscapeString(c.link))
	}
	for _, note := range c.notes {
		fmt.Fprintf(&b, noteHTML, html.EscapeString(note))
	}
	rows(&b, factHTML, c.facts)
	b.WriteString(foot)
	return b.String()
}

// rows writes a table.
func rows(b *strings.Builder, form string, all []row) {
	b.WriteString(tableHTML)
	for _, r := range all {
		fmt.Fprintf(b, form, html.EscapeString(r.label), html.EscapeString(r.value))
	}
	b.WriteString("</table>\n")
}
