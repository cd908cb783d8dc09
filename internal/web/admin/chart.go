package admin

import "fmt"

// chart is bars with their names and numbers: upright for hours, lying for names.
type chart struct {
	Title  string
	Lying  bool
	Points []point
}

type point struct {
	Label string
	N     int64
}

// bar is one bar as it is drawn.
type bar struct {
	x, y, width, height           string
	label, labelX, labelY, anchor string
	number, numberX, numberY      string
	numberAnchor                  string
}

// The measures of a chart, in its own units.
const (
	chartWidth   = 640
	uprightSpace = 180 // of the bars
	lyingRow     = 30
)

func (c *chart) height() int {
	if c.Lying {
		return lyingRow*len(c.Points) + 4
	}
	return uprightSpace + 44
}

func (c *chart) most() int64 {
	most := int64(1)
	for _, p := range c.Points {
		most = max(most, p.N)
	}
	return most
}

func (c *chart) bars() []bar {
	if c.Lying {
		return c.lying()
	}
	out := make([]bar, len(c.Points))
	step := float64(chartWidth) / float64(max(len(c.Points), 1))
	for i, p := range c.Points {
		tall := float64(p.N) / float64(c.most()) * uprightSpace
		left, middle := step*float64(i), step*(float64(i)+.5)
		out[i] = bar{
			x: at(left + step*.12), y: at(20 + uprightSpace - tall), width: at(step * .76), height: at(tall),
			label: p.Label, labelX: at(middle), labelY: at(uprightSpace + 38), anchor: "middle",
			numberX: at(middle), numberY: at(14 + uprightSpace - tall), numberAnchor: "middle",
		}
		if p.N > 0 && (step > 36 || p.N < 1000) {
			out[i].number = fmt.Sprint(p.N)
		}
		if step < 24 && i%2 == 1 {
			out[i].label = ""
		}
	}
	return out
}

// lying draws the names in the first two fifths.
func (c *chart) lying() []bar {
	const names, room = 250.0, 310.0
	out := make([]bar, len(c.Points))
	for i, p := range c.Points {
		top, long := float64(lyingRow*i), float64(p.N)/float64(c.most())*room
		out[i] = bar{
			x: at(names), y: at(top + 4), width: at(long), height: at(lyingRow - 8),
			label: cut(p.Label, 30), labelX: at(names - 8), labelY: at(top + 20), anchor: "end",
			number: fmt.Sprint(p.N), numberX: at(names + long + 6), numberY: at(top + 20), numberAnchor: "start",
		}
	}
	return out
}

func at(x float64) string { return fmt.Sprintf("%.1f", x) }

// cut is the beginning of a long name.
func cut(name string, most int) string {
	if r := []rune(name); len(r) > most {
		return string(r[:most-1]) + "…"
	}
	return name
}
