package render

import (
	"github.com/opendivoc/divoc/internal/render/pdf"
)

// columnShare is the share of a column in the width of the table.
func columnShare(key string) float32 {
	switch key {
	case "dose":
		return 48
	case "date":
		return 74
	case "vaccine":
		return 158
	case "lot":
		return 66
	case "validity":
		return 70
	default: // place
		return 136
	}
}

// doses sets the table of doses. A row is never split over pages; the table's
// head stands again on each.
func (s *setter) doses() error {
	const pad = 5
	columns := s.v.Columns
	x, w := make([]float32, len(columns)), make([]float32, len(columns))
	var all float32
	for _, c := range columns {
		all += columnShare(c.Key)
	}
	at := s.left
	for i, c := range columns {
		x[i], w[i] = at, s.width*columnShare(c.Key)/all
		at += w[i]
	}

	head := make([]box, len(columns))
	var headHeight float32
	for i, c := range columns {
		head[i].width = w[i] - 2*pad
		st := style{size: 7.5, bold: true, color: s.accent, fixed: true}
		s.stack(&head[i], c.Label, st, st)
		headHeight = max(headHeight, head[i].height+2*pad-2)
	}
	rows := make([][]box, len(s.v.Doses))
	heights := make([]float32, len(rows))
	for n, row := range s.v.Doses {
		rows[n] = make([]box, len(columns))
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
	if err := s.heading(s.v.DosesTitle, headHeight+first); err != nil {
		return err
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
		for i := range columns {
			s.draw(&rows[n][i], x[i]+pad, s.y+pad, tr.Add("TD", ""))
		}
		s.y += heights[n]
		s.doc.Fill(s.left, s.y-0.4, s.width, 0.4, s.accent)
	}
	s.y += 14
	return nil
}

// cell sets what a column says of a dose.
func (s *setter) cell(b *box, key string, c Cell) {
	size := float32(9)
	if s.several {
		size = 8.5
	}
	main := style{size: size, bold: key != "lot", color: ink()}
	if key == "dose" {
		s.stack(b, c.Main, main, style{size: size - 1, color: ink()})
	} else {
		s.add(b, c.Main.inline(), main)
	}
	for _, l := range c.Lines {
		text := l.Value.inline()
		st := style{size: size - 1, color: ink(), above: 0.5}
		if len(l.Label) > 0 {
			s.add(b, l.Label.inline(), style{size: 7, color: quiet(), fixed: true, above: 2})
			st.above = 0
		}
		s.add(b, text, st)
	}
}
