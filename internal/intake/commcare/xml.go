package commcare

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strings"

	"github.com/opendivoc/divoc/internal/intake/mapping"
	"github.com/opendivoc/divoc/vaccination"
)

// caseNamespace is that of case blocks (CommCare case XML, version 2).
const caseNamespace = "http://commcarehq.org/case/transaction/v2"

var errXML = vaccination.Errorf(vaccination.Invalid, "the body is no well-formed XML of a case or a form")

// readXML reads the case blocks of an XML body: a forwarded case is one, a form
// has any number of them in its groups. Of a body that is one block by itself,
// that block is the whole case; in a form it is what the form changed, unless it
// creates the case.
func readXML(body []byte) ([]change, error) {
	d := xml.NewDecoder(bytes.NewReader(body))
	d.CharsetReader = func(charset string, r io.Reader) (io.Reader, error) {
		if strings.EqualFold(charset, "utf-8") {
			return r, nil
		}
		return nil, errXML
	}
	var changes []change
	for level := 0; ; {
		token, err := d.Token()
		switch {
		case errors.Is(err, io.EOF) && level == 0:
			return changes, nil
		case err != nil:
			return nil, errXML
		}
		switch t := token.(type) {
		case xml.Directive:
			return nil, errXML // a document type could define entities
		case xml.EndElement:
			level--
		case xml.StartElement:
			if t.Name.Local == "case" && t.Name.Space == caseNamespace && attribute(t, "case_id") != "" {
				c, err := readBlock(d, t, level == 0)
				if err != nil {
					return nil, err
				}
				if changes = append(changes, c); len(changes) > maxCases {
					return nil, tooMany(len(changes))
				}
				continue
			}
			if level++; level > maxDepth {
				return nil, errXML
			}
		}
	}
}

func attribute(t xml.StartElement, name string) string {
	for _, a := range t.Attr {
		if a.Name.Local == name && a.Name.Space == "" {
			return a.Value
		}
	}
	return ""
}

// readBlock reads a case block up to its end.
func readBlock(d *xml.Decoder, start xml.StartElement, alone bool) (change, error) {
	c := change{id: attribute(start, "case_id"), at: parseTime(attribute(start, "date_modified")), partial: !alone}
	c.fields = mapping.Fields{"case_id": c.id}
	if user := attribute(start, "user_id"); user != "" {
		c.fields["user_id"] = user
	}
	part := ""
	for level := 0; ; {
		token, err := d.Token()
		if err != nil {
			return c, errXML
		}
		switch t := token.(type) {
		case xml.StartElement:
			name := t.Name.Local
			switch level++; {
			case level == 1:
				part = name
				c.partial = c.partial && part != "create"
				c.closed = c.closed || part == "close"
				continue
			case level > 2:
				if err := d.Skip(); err != nil {
					return c, errXML
				}
				level--
				continue
			}
			text, err := content(d)
			if err != nil {
				return c, err
			}
			level--
			switch {
			case part == "create" || part == "update":
				c.fields[name] = text
			case part == "index" && text != "":
				c.parents = append(c.parents, parent{name, text, attribute(t, "case_type")})
			}
		case xml.EndElement:
			if level == 0 {
				c.caseType = c.fields["case_type"]
				return c, nil
			}
			level--
		}
	}
}

// content is the text of the element that was just begun, up to its end; what is
// nested in it is passed over.
func content(d *xml.Decoder) (string, error) {
	var b strings.Builder
	for {
		token, err := d.Token()
		if err != nil {
			return "", errXML
		}
		switch t := token.(type) {
		case xml.CharData:
			b.Write(t)
		case xml.StartElement:
			if err := d.Skip(); err != nil {
				return "", errXML
			}
		case xml.EndElement:
			return strings.TrimSpace(b.String()), nil
		}
	}
}
