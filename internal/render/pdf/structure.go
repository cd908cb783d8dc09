package pdf

// Element is an element of the document's structure: what a screen reader goes
// through (ISO 32000-1, 14.7 and 14.8).
type Element struct {
	kind   string
	lang   string
	alt    string
	header bool // a table header of its column
	box    *[4]float32
	parent *Element
	kids   []kid
	object int // its number in the file
}

// kid is a child element, or marked content on a page.
type kid struct {
	element *Element
	page    *page
	id      int
}

// Add appends a child: kind is a standard structure type ("H1", "P", "Table",
// "TR", "TD", "Span", "Figure" …), lang its language where it differs.
func (e *Element) Add(kind, lang string) *Element {
	c := &Element{kind: kind, lang: lang, parent: e}
	e.kids = append(e.kids, kid{element: c})
	return c
}

// AddHeader appends the header cell of a table's column.
func (e *Element) AddHeader() *Element {
	c := e.Add("TH", "")
	c.header = true
	return c
}

// AddFigure appends a figure and what it says in words.
func (e *Element) AddFigure(lang, alt string) *Element {
	c := e.Add("Figure", lang)
	c.alt = alt
	return c
}

// number gives e and all below it object numbers from next on, in the order of
// reading, and returns the next free one.
func (e *Element) number(next int) int {
	e.object = next
	next++
	for _, k := range e.kids {
		if k.element != nil {
			next = k.element.number(next)
		}
	}
	return next
}

// each calls f for e and all below it in the order of their numbers.
func (e *Element) each(f func(*Element)) {
	f(e)
	for _, k := range e.kids {
		if k.element != nil {
			k.element.each(f)
		}
	}
}

// append appends the dictionary of e. parent is the object number above it.
func (e *Element) append(b []byte, parent int, pageObject func(*page) int) []byte {
	b = append(b, "<</Type/StructElem/S/"...)
	b = append(b, e.kind...)
	b = append(b, "/P "...)
	b = appendInt(b, parent)
	b = append(b, "0 R"...)
	var on *page
	for _, k := range e.kids {
		if k.page != nil {
			on = k.page
			break
		}
	}
	if on != nil {
		b = append(b, "/Pg "...)
		b = appendInt(b, pageObject(on))
		b = append(b, "0 R"...)
	}
	if e.lang != "" {
		b = append(b, "/Lang"...)
		b = appendLiteral(b, e.lang)
	}
	if e.alt != "" {
		b = append(b, "/Alt"...)
		b = appendUTF16(b, e.alt)
	}
	if e.header {
		b = append(b, "/A<</O/Table/Scope/Column>>"...)
	}
	if e.box != nil {
		b = append(b, "/A<</O/Layout/BBox["...)
		for _, v := range e.box {
			b = append(appendNumber(b, v), ' ')
		}
		b = append(b, "]>>"...)
	}
	b = append(b, "/K["...)
	for _, k := range e.kids {
		switch {
		case k.element != nil:
			b = appendInt(b, k.element.object)
			b = append(b, "0 R "...)
		case k.page == on:
			b = appendInt(b, k.id)
		default:
			b = append(b, "<</Type/MCR/Pg "...)
			b = appendInt(b, pageObject(k.page))
			b = append(b, "0 R/MCID "...)
			b = appendInt(b, k.id)
			b = append(b, ">>"...)
		}
	}
	return append(b, "]>>"...)
}

// appendLiteral appends s as a literal string; s is ASCII of ours.
func appendLiteral(b []byte, s string) []byte {
	b = append(b, '(')
	for i := range len(s) {
		if s[i] == '(' || s[i] == ')' || s[i] == '\\' {
			b = append(b, '\\')
		}
		b = append(b, s[i])
	}
	return append(b, ')')
}
