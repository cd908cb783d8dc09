package scan

import (
	"context"
	"image"
	"math"
	"slices"
)

// corners are the middles of the three finder patterns and the size of a module there,
// in pixels.
type corners struct {
	topLeft, topRight, bottomLeft point
	module                        float64
}

type point struct{ x, y float64 }

// eye is what looks like a finder pattern, and how much: at most 1.
type eye struct {
	point
	module, score float64
}

const (
	minEye     = 0.55 // is looked at closely
	maxLooks   = 6000 // are, at most
	maxEyes    = 40   // are kept
	maxCorners = 8    // sets of three are tried
)

// circle is directions all around.
var circle = func() (out [16]point) {
	for i := range out {
		out[i].y, out[i].x = math.Sincos(2 * math.Pi * float64(i) / float64(len(out)))
	}
	return out
}()

// eyesIn finds finder patterns by their shades: dark in the middle, light on a circle of
// 2.2 modules around it and dark on one of 3.5, which is so for a square that stands at
// any angle. Blur and noise leave that so when no line shows dark and light as 1:1:3:1:1.
func eyesIn(ctx context.Context, m *boxes) ([]eye, error) {
	w, h := float64(m.whole.Rect.Dx()), float64(m.whole.Rect.Dy())
	var eyes []eye
	looks := 0
	for module := 2.0; module*21 < max(w, h); module *= 1.15 {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		soft := m.of(int(module * 0.25))
		for y := 3.5 * module; y < h-3.5*module; y += module / 2 {
			for x := 3.5 * module; x < w-3.5*module; x += module / 2 {
				e := eye{point: point{x, y}, module: module}
				if !e.quick(soft) {
					continue
				}
				if e.look(soft); e.score > minEye {
					if looks++; looks > maxLooks {
						return eyes, nil
					}
					eyes = keep(eyes, e.nearest(soft))
				}
			}
		}
	}
	return eyes, nil
}

// quick is false where it is seen at once that there is none: most places.
func (e *eye) quick(m *image.Gray) bool {
	middle := shadeAt(m, e.x, e.y) + 4
	for i := 0; i < len(circle); i += 4 {
		if shadeAt(m, e.x+2.1*e.module*circle[i].x, e.y+2.1*e.module*circle[i].y) < middle {
			return false
		}
	}
	return true
}

// look sets the score: the correlation of what is on the circles with what should be.
func (e *eye) look(m *image.Gray) {
	const light, all = 1, 4 // circles
	var sums [all]float64
	var sum, squares float64
	for i, modules := range [all]float64{2.2, 3.5, 1.1, 0.5} { // the light one first
		for _, c := range circle {
			s := shadeAt(m, e.x+modules*e.module*c.x, e.y+modules*e.module*c.y)
			sums[i], squares = sums[i]+s, squares+s*s
		}
		sum += sums[i]
	}
	const n = float64(len(circle))
	spread := math.Sqrt(max(0, squares/(all*n)-sum*sum/(all*all*n*n)))
	e.score = (sums[0]/(light*n) - (sum-sums[0])/((all-light)*n)) * math.Sqrt(light*(all-light)) / all / max(spread, 1)
}

// nearest is the place close by where the score is highest.
func (e eye) nearest(m *image.Gray) eye {
	for _, step := range []struct {
		by    float64 // modules
		reach int
		sizes []float64
	}{{0.25, 2, []float64{0.9, 1, 1.1}}, {0.125, 1, []float64{1}}} {
		from := e
		for _, size := range step.sizes {
			for i := range (2*step.reach + 1) * (2*step.reach + 1) {
				dx, dy := i%(2*step.reach+1)-step.reach, i/(2*step.reach+1)-step.reach
				near := eye{point: point{from.x + float64(dx)*step.by*from.module, from.y + float64(dy)*step.by*from.module}, module: from.module * size}
				if near.look(m); near.score > e.score {
					e = near
				}
			}
		}
	}
	return e
}

// keep adds e, unless it is where a better one is, to the best so far.
func keep(eyes []eye, e eye) []eye {
	for i, other := range eyes {
		if math.Hypot(e.x-other.x, e.y-other.y) < 3*max(e.module, other.module) {
			if e.score <= other.score {
				return eyes
			}
			eyes = slices.Delete(eyes, i, i+1)
			return keep(eyes, e)
		}
	}
	i, _ := slices.BinarySearchFunc(eyes, e.score, func(o eye, score float64) int { return -compare(o.score, score) })
	return slices.Insert(eyes, i, e)[:min(maxEyes, len(eyes)+1)]
}

func compare(a, b float64) int { return int(math.Copysign(1, a-b)) }

// cornersOf are the sets of three that can be the corners of a code, the likeliest
// first: far apart, as all else that looks like one is within the code, and square.
func cornersOf(eyes []eye) []corners {
	type scored struct {
		corners
		score float64
	}
	var all []scored
	for i, a := range eyes {
		for j, b := range eyes {
			for k, c := range eyes {
				if i == j || j == k || i == k {
					continue
				}
				// b right of a and c below it, as the code stands.
				r, d := point{b.x - a.x, b.y - a.y}, point{c.x - a.x, c.y - a.y}
				lr, ld := math.Hypot(r.x, r.y), math.Hypot(d.x, d.y)
				module := (a.module + b.module + c.module) / 3
				sizes := max(a.module, b.module, c.module) / min(a.module, b.module, c.module)
				sides, slant := max(lr, ld)/min(lr, ld), math.Abs(r.x*d.x+r.y*d.y)/lr/ld
				if r.x*d.y-r.y*d.x <= 0 || slant > 0.5 || sides > 2 || sizes > 1.8 || min(lr, ld) < 10*module || max(lr, ld) > 200*module {
					continue
				}
				score := (a.score + b.score + c.score) * min(lr, ld) / (math.Sqrt(sizes) * (1 + slant))
				all = append(all, scored{corners{a.point, b.point, c.point, module}, score})
			}
		}
	}
	slices.SortStableFunc(all, func(a, b scored) int { return compare(b.score, a.score) })
	var out []corners
	for _, s := range all[:min(maxCorners, len(all))] {
		out = append(out, s.corners)
	}
	return out
}
