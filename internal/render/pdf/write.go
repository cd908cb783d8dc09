package pdf

import (
	"bytes"
	"crypto/sha256"
	"encoding/xml"
	"fmt"
	"hash/fnv"
	"io"
	"strconv"
	"strings"
	"sync"

	"github.com/klauspost/compress/zlib"
)

// Writer writes documents, with buffers kept for the next one. The zero value
// is ready and safe for concurrent use.
type Writer struct{ pool sync.Pool }

// file is the file being written.
type file struct {
	b       bytes.Buffer
	packed  bytes.Buffer
	zip     *zlib.Writer
	offsets []int // by object number; 0 for objects in the object stream
	scratch []byte
}

// Write writes d, which must have a page, to w.
func (wr *Writer) Write(w io.Writer, d *Doc) error {
	f, ok := wr.pool.Get().(*file)
	if !ok {
		zip, err := zlib.NewWriterLevel(io.Discard, zlib.BestSpeed)
		if err != nil {
			return err
		}
		f = &file{zip: zip}
	}
	defer wr.pool.Put(f)
	f.b.Reset()
	f.offsets = f.offsets[:0]
	f.document(d)
	_, err := w.Write(f.b.Bytes())
	return err
}

// Object numbers that every document has.
const (
	objCatalog = iota + 1
	objPages
	objInfo
	objMetadata
	objStructure
	objParents
	objFree // the first of the others
)

// perFont is the number of objects of a font.
const perFont = 5

func (f *file) document(d *Doc) {
	// Numbers: fixed, page and content of each page, forms, fonts, elements.
	pageObject := make(map[*page]int, len(d.pages))
	next := objFree
	for _, p := range d.pages {
		pageObject[p] = next
		next += 2
	}
	firstForm := next
	next += len(d.forms)
	fontObject := make([]int, len(d.uses))
	for i, u := range d.uses {
		if u != nil {
			fontObject[i] = next
			next += perFont
		}
	}
	firstElement := next
	next = d.root.number(firstElement)
	objects, xref := next, next+1
	f.offsets = append(f.offsets, make([]int, xref+1)...)

	f.b.WriteString("%PDF-1.7\n%\xe2\xe3\xcf\xd3\n")
	f.object(objCatalog, fmt.Sprintf("<</Type/Catalog/Pages %d 0 R/Metadata %d 0 R/StructTreeRoot %d 0 R/MarkInfo<</Marked true>>/Lang(%s)/ViewerPreferences<</DisplayDocTitle true>>>>",
		objPages, objMetadata, objStructure, d.info.Lang))
	kids := ""
	for _, p := range d.pages {
		kids += strconv.Itoa(pageObject[p]) + " 0 R "
	}
	f.object(objPages, fmt.Sprintf("<</Type/Pages/Count %d/Kids[%s]>>", len(d.pages), kids))
	stamp := "(D:" + d.info.Created.UTC().Format("20060102150405") + "Z)"
	f.object(objInfo, "<</Title"+utf16String(d.info.Title)+"/Author"+utf16String(d.info.Author)+"/Subject"+utf16String(d.info.Subject)+
		"/Creator(divoc)/Producer(divoc)/CreationDate"+stamp+"/ModDate"+stamp+">>")
	f.stream(objMetadata, "/Type/Metadata/Subtype/XML", d.info.xmp(), false)
	f.object(objStructure, fmt.Sprintf("<</Type/StructTreeRoot/K %d 0 R/ParentTree %d 0 R/ParentTreeNextKey %d>>", firstElement, objParents, len(d.pages)))

	b := append(f.scratch[:0], "<</Nums["...)
	for i, p := range d.pages {
		b = appendInt(b, i)
		b = append(b, '[')
		for _, e := range p.owners {
			b = appendInt(b, e.object)
			b = append(b, "0 R "...)
		}
		b = append(b, ']')
	}
	f.scratch = append(b, "]>>"...)
	f.object(objParents, string(f.scratch))

	for i, p := range d.pages {
		res := "/Font<<"
		for n, u := range d.uses {
			if u != nil {
				res += fmt.Sprintf("/T%d %d 0 R", n, fontObject[n])
			}
		}
		res += ">>"
		if len(p.forms) > 0 {
			res += "/XObject<<"
			for _, n := range p.forms {
				res += fmt.Sprintf("/F%d %d 0 R", n, firstForm+n)
			}
			res += ">>"
		}
		f.object(pageObject[p], fmt.Sprintf("<</Type/Page/Parent %d 0 R/MediaBox[0 0 %.2f %.2f]/Contents %d 0 R/Resources<<%s>>/StructParents %d/Tabs/S>>",
			objPages, p.width, p.height, pageObject[p]+1, res, i))
		f.stream(pageObject[p]+1, "", p.content, true)
	}
	for i, form := range d.forms {
		if p := form.picture; p != nil {
			f.stream(firstForm+i, fmt.Sprintf("/Type/XObject/Subtype/Form/BBox[0 0 %.1f %.1f]/Resources<<>>/Filter/FlateDecode", p.width, p.height), p.packed, false)
			continue
		}
		f.stream(firstForm+i, fmt.Sprintf("/Type/XObject/Subtype/Form/BBox[0 0 %d %d]/Resources<<>>", form.width, form.height), form.content, true)
	}
	for i, u := range d.uses {
		if u != nil {
			f.font(fontObject[i], u)
		}
	}
	f.elements(d, objects, firstElement, pageObject)
	f.trailer(xref, objects, firstElement)
}

func utf16String(s string) string { return string(appendUTF16(nil, s)) }

// object writes an object that is not a stream.
func (f *file) object(n int, body string) {
	f.offsets[n] = f.b.Len()
	fmt.Fprintf(&f.b, "%d 0 obj\n", n)
	f.b.WriteString(body)
	f.b.WriteString("\nendobj\n")
}

// stream writes a stream object; dict is what its dictionary says beyond length
// and filter.
func (f *file) stream(n int, dict string, data []byte, compress bool) {
	f.offsets[n] = f.b.Len()
	if compress {
		f.packed.Reset()
		f.zip.Reset(&f.packed)
		// A bytes.Buffer does not fail.
		_, _ = f.zip.Write(data)
		_ = f.zip.Close()
		data = f.packed.Bytes()
		dict += "/Filter/FlateDecode"
	}
	fmt.Fprintf(&f.b, "%d 0 obj\n<<%s/Length %d>>stream\n", n, dict, len(data))
	f.b.Write(data)
	f.b.WriteString("\nendstream\nendobj\n")
}

// font writes a subset as a composite font (ISO 32000-1, 9.7): its glyph
// numbers are its character codes.
func (f *file) font(n int, u *use) {
	f.scratch = u.file(f.scratch[:0])
	ttf := f.scratch
	h := fnv.New64a()
	for _, id := range u.order {
		h.Write([]byte{byte(id >> 8), byte(id)})
	}
	sum := h.Sum64()
	name := make([]byte, 0, 40)
	for range 6 {
		name = append(name, 'A'+byte(sum%26))
		sum /= 26
	}
	ps := string(name) + "+" + u.font.name
	f.object(n, fmt.Sprintf("<</Type/Font/Subtype/Type0/BaseFont/%s/Encoding/Identity-H/DescendantFonts[%d 0 R]/ToUnicode %d 0 R>>", ps, n+1, n+4))
	var widths strings.Builder
	for _, id := range u.order {
		widths.Write(appendNumber(nil, u.font.advance(id)))
		widths.WriteByte(' ')
	}
	f.object(n+1, fmt.Sprintf("<</Type/Font/Subtype/CIDFontType2/BaseFont/%s/CIDSystemInfo<</Registry(Adobe)/Ordering(Identity)/Supplement 0>>/FontDescriptor %d 0 R/DW 0/W[0[%s]]/CIDToGIDMap/Identity>>", ps, n+2, widths.String()))
	f.object(n+2, fmt.Sprintf("<</Type/FontDescriptor/FontName/%s/Flags 4/FontBBox[%d %d %d %d]/ItalicAngle 0/Ascent %d/Descent %d/CapHeight %d/StemV %d/FontFile2 %d 0 R>>",
		ps, u.font.box[0], u.font.box[1], u.font.box[2], u.font.box[3], u.font.ascent, u.font.descent, u.font.cap, u.font.weight/5, n+3))
	f.stream(n+3, fmt.Sprintf("/Length1 %d", len(ttf)), ttf, true)
	f.scratch = u.toUnicode(f.scratch[:0])
	f.stream(n+4, "", f.scratch, true)
}

// toUnicode appends the map from glyphs to text (9.10.3).
func (u *use) toUnicode(b []byte) []byte {
	b = append(b, "/CIDInit/ProcSet findresource begin 12 dict begin begincmap\n/CIDSystemInfo<</Registry(Adobe)/Ordering(UCS)/Supplement 0>>def\n/CMapName/Adobe-Identity-UCS def/CMapType 2 def\n1 begincodespacerange<0000><FFFF>endcodespacerange\n"...)
	var known []uint16
	for i, t := range u.text {
		if t != "" {
			known = append(known, uint16(i))
		}
	}
	for len(known) > 0 {
		n := min(len(known), 100)
		b = appendInt(b, n)
		b = append(b, "beginbfchar\n"...)
		for _, id := range known[:n] {
			b = append(b, '<')
			b = appendHex(b, id)
			b = append(b, "><"...)
			text := appendUTF16(nil, u.text[id])
			b = append(b, text[len("<FEFF"):]...)
			b = append(b, '\n')
		}
		b = append(b, "endbfchar\n"...)
		known = known[n:]
	}
	return append(b, "endcmap CMapName currentdict/CMap defineresource pop end end"...)
}

// elements writes the structure elements into one object stream (7.5.7).
func (f *file) elements(d *Doc, n, first int, pageObject map[*page]int) {
	index, body := make([]byte, 0, 16*(n-first)), make([]byte, 0, 96*(n-first))
	d.root.each(func(e *Element) {
		index = appendInt(index, e.object)
		index = appendInt(index, len(body))
		parent := objStructure
		if e.parent != nil {
			parent = e.parent.object
		}
		body = e.append(body, parent, func(p *page) int { return pageObject[p] })
		body = append(body, '\n')
	})
	f.stream(n, fmt.Sprintf("/Type/ObjStm/N %d/First %d", n-first, len(index)), append(index, body...), true)
}

// trailer writes the cross-reference stream (7.5.8). Objects from first up to
// objects lie in the object stream.
func (f *file) trailer(n, objects, first int) {
	f.offsets[n] = f.b.Len()
	start := f.b.Len()
	table := make([]byte, 0, 7*(n+1))
	table = append(table, 0, 0, 0, 0, 0, 0xff, 0xff)
	for i := 1; i <= n; i++ {
		if i >= first && i < objects {
			at := i - first
			table = append(table, 2, byte(objects>>24), byte(objects>>16), byte(objects>>8), byte(objects), byte(at>>8), byte(at))
			continue
		}
		o := f.offsets[i]
		table = append(table, 1, byte(o>>24), byte(o>>16), byte(o>>8), byte(o), 0, 0)
	}
	id := sha256.Sum256(f.b.Bytes())
	f.stream(n, fmt.Sprintf("/Type/XRef/Size %d/W[1 4 2]/Root %d 0 R/Info %d 0 R/ID[<%x><%x>]", n+1, objCatalog, objInfo, id[:16], id[:16]), table, true)
	fmt.Fprintf(&f.b, "startxref\n%d\n%%%%EOF\n", start)
}

// xmp returns the metadata packet (14.3.2).
func (i Info) xmp() []byte {
	esc := func(s string) string {
		var b strings.Builder
		_ = xml.EscapeText(&b, []byte(s)) // a strings.Builder does not fail
		return b.String()
	}
	at := i.Created.UTC().Format("2006-01-02T15:04:05Z")
	return []byte(`<?xpacket begin="` + "\ufeff" + `" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:pdf="http://ns.adobe.com/pdf/1.3/">
<dc:format>application/pdf</dc:format>
<dc:title><rdf:Alt><rdf:li xml:lang="x-default">` + esc(i.Title) + `</rdf:li></rdf:Alt></dc:title>
<dc:description><rdf:Alt><rdf:li xml:lang="x-default">` + esc(i.Subject) + `</rdf:li></rdf:Alt></dc:description>
<dc:creator><rdf:Seq><rdf:li>` + esc(i.Author) + `</rdf:li></rdf:Seq></dc:creator>
<dc:language><rdf:Bag><rdf:li>` + esc(i.Lang) + `</rdf:li></rdf:Bag></dc:language>
<xmp:CreateDate>` + at + `</xmp:CreateDate><xmp:ModifyDate>` + at + `</xmp:ModifyDate><xmp:CreatorTool>divoc</xmp:CreatorTool><pdf:Producer>divoc</pdf:Producer>
</rdf:Description></rdf:RDF></x:xmpmeta>
<?xpacket end="r"?>`)
}
