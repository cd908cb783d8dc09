package render

import (
	"strings"

	"github.com/opendivoc/divoc/internal/render/pdf"
	"github.com/opendivoc/divoc/internal/render/shape"
)

// headSize is the type size of the table's head.
const headSize = 7.5

// columnShare is the width of a column in points or, where it is flexible, its
// share in what the others leave.
func columnShare(key string) (share float32, flexible bool) {
	switch key {
	case "dose":
		return 54, false
	case "date":
		return 62, false
	case "lot", "validity":
		return 70, false
	case "sample":
		return 82, false
	case "result":
		return 104, false
	case "vaccine", "kind":
		return 55, true
	default: // place
		return 45, true
	}
}

// doses sets the table of doses. A row is never split over pages; the table's
// head stands again on each.
func (s *setter) doses() error {
	pad := float32(5)
	if s.several {
		pad = 3.5
	}
	columns := s.v.Columns
	x, w := s.columns(columns, pad)

	head := make([]box, len(columns))
	var headHeight float32
	for i, c := range columns {
		head[i].width = w[i] - 2*pad
		st := style{size: headSize, bold: true, color: s.accent, fixed: true}
		s.stack(&head[i], c.Label, st, st)
		headHeight = max(headHeight, head[i].height+2*pad-2)
	}
	rows := make([][]box, len(s.v.Doses))
	heights := make([]float32, len(rows))
	for n, row := range s.v.Doses {
		rows[n] = make([]box, len(columns))
		heights[n] = row.Room
		for i := range columns {
			rows[n][i].width = w[i] - 2*pad
			s.cell(&rows[n][i], columns[i].Key, row.Cells[i])
			heights[n] = max(heights[n], rows[n][i].height+2*pad)
		}
	}

	var first float32
	if len(heights) > 0 {
		first = heights[0]
	}
	common := box{width: s.width}
	for _, f := range s.v.Common {
		s.add(&common, labelled(f), style{size: 8.5, color: ink(), fixed: true})
	}
	if err := s.heading(s.v.DosesTitle, common.height+4+headHeight+first); err != nil {
		return err
	}
	if common.height > 0 {
		s.draw(&common, s.left, s.y, s.doc.Root())
		s.y += common.height + 3
	}
	table := s.doc.Root().Add("Table", "")
	tr := table.Add("TR", "")
	headers := make([]*pdf.Element, len(columns))
	for i := range headers {
		headers[i] = tr.AddHeader()
	}
	drawHead := func(tagged bool) {
		s.doc.Panel(s.left, s.y, s.width, headHeight, 2, s.tint)
		for i := range head {
			var e *pdf.Element
			if tagged {
				e = headers[i]
			}
			s.draw(&head[i], x[i]+pad, s.y+pad-1, e)
		}
		s.y += headHeight
	}
	drawHead(true)
	for n := range rows {
		if s.y+heights[n] > s.bottom {
			if err := s.need(heights[n] + headHeight); err != nil {
				return err
			}
			drawHead(false)
		}
		tr := table.Add("TR", "")
		if s.v.Doses[n].Current && len(rows) > 1 {
			s.doc.Fill(s.left, s.y, 2.5, heights[n]-0.4, s.accent)
		}
		for i := range columns {
			s.draw(&rows[n][i], x[i]+pad, s.y+pad, tr.Add("TD", ""))
		}
		s.y += heights[n]
		s.doc.Fill(s.left, s.y-0.4, s.width, 0.4, s.accent)
	}
	s.y += s.gap
	return nil
}

// cell sets what a column says of a dose.
func (s *setter) cell(b *box, key string, c Cell) {
	size := float32(9)
	if s.several {
		size = 8.2
	}
	main := style{size: size, bold: key != "lot", color: ink(), fixed: key == "dose" || key == "vaccine" || key == "kind" || key == "result"}
	if key == "dose" || key == "vaccine" || key == "kind" || key == "result" {
		s.stack(b, c.Main, main, main)
	} else {
		s.add(b, c.Main.inline(), main)
	}
	for _, l := range c.Lines {
		st := style{size: size - 1, color: ink(), above: 0.5}
		switch l.Key {
		case "type", "manufacturer", "maholder", "disease", "country", "precision":
			st.fixed = true // words of the catalogue and ours
		}
		s.add(b, labelled(l), st)
	}
}

// labelled is a field in one paragraph.
func labelled(f Field) []shape.Phrase {
	value := f.Value.inline()
	if len(f.Label) == 0 {
		return value
	}
	out := append([]shape.Phrase{}, f.Label.inline()...)
	out = append(out, shape.Phrase{Text: ": "})
	return append(out, value...)
}

// columns shares the width of the table out: no column is narrower than the
// longest word of its head, and the texts that wrap get what is left.
func (s *setter) columns(columns []Column, pad float32) (x, w []float32) {
	x, w = make([]float32, len(columns)), make([]float32, len(columns))
	var fixed, flexible float32
	for i, c := range columns {
		for _, p := range c.Label {
			for _, word := range strings.Fields(p.Text) {
				for _, l := range s.r.fonts.Wrap([]shape.Phrase{{Lang: p.Lang, Text: word}}, true, 1e5, true) {
					w[i] = max(w[i], l.Width*headSize/1000+2*pad+0.5)
				}
			}
		}
		if share, flex := columnShare(c.Key); flex {
			flexible += share
		} else {
			w[i] = max(w[i], share)
			fixed += w[i]
		}
	}
	at := s.left
	for i, c := range columns {
		if share, flex := columnShare(c.Key); flex {
			w[i] = max(w[i], (s.width-fixed)*share/flexible)
		}
		x[i] = at
		at += w[i]
	}
	return x, w
}
