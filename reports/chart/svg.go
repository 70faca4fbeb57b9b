package chart

import (
	"bytes"
	"fmt"
	"html"
	"regexp"
	"strings"

	"gonum.org/v1/plot/vg/vgsvg"
)

func rendered(c *vgsvg.Canvas) (string, error) {
	var b bytes.Buffer
	_, err := c.WriteTo(&b)
	return b.String(), err
}

var (
	styleAttribute = regexp.MustCompile(`\s*style="([^"]*)"`)
	openingTag     = regexp.MustCompile(`(?s)^.*?<svg[^>]*>`)
)

// document turns what vgsvg wrote into a figure that follows the reader's theme:
// style attributes, which a strict content policy forbids, become presentation
// attributes, and each known colour gets a class beside them. A viewer that
// knows no variables falls back on the attributes, which are the light theme.
func document(f *Figure, drawn string, alone bool) string {
	body := openingTag.ReplaceAllString(drawn, "")
	body = styleAttribute.ReplaceAllStringFunc(body, func(attribute string) string {
		return " " + presentation(styleAttribute.FindStringSubmatch(attribute)[1])
	})
	theme := ""
	if alone {
		theme = "<style>" + Theme() + "</style>\n"
	}
	return fmt.Sprintf("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %g %g\" width=\"%g\" height=\"%g\" role=\"img\" font-family=\"%s\">\n<title>%s</title>\n<desc>%s</desc>\n%s%s",
		width.Points(), f.tall().Points(), width.Points(), f.tall().Points(), fonts,
		html.EscapeString(f.Title), html.EscapeString(f.About), theme, body)
}

// fonts are metrically the same as what the layout was computed with.
const fonts = "Liberation Sans, Arial, Helvetica, sans-serif"

// presentation rewrites the declarations of one style attribute.
func presentation(declarations string) string {
	var attributes, classes []string
	for declaration := range strings.SplitSeq(declarations, ";") {
		name, value, _ := strings.Cut(declaration, ":")
		if strings.HasPrefix(name, "font-") && name != "font-size" {
			continue // the same for all: said once at the top
		}
		attributes = append(attributes, fmt.Sprintf("%s=%q", name, value))
		if class := classOf(name, value); class != "" {
			classes = append(classes, class)
		}
	}
	if len(classes) > 0 {
		attributes = append(attributes, fmt.Sprintf("class=%q", strings.Join(classes, " ")))
	}
	return strings.Join(attributes, " ")
}

func classOf(name, value string) string {
	prefix, ok := map[string]string{"fill": "f-", "stroke": "l-"}[name]
	if !ok {
		return ""
	}
	for _, s := range shades {
		if value == hex(s.light) {
			return prefix + s.class
		}
	}
	return ""
}
