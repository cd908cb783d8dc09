package pdf

import "bytes"

// get resolves v while it is a reference. An object that is not there is null,
// as is one that refers to itself.
func (f *file) get(v any) any {
	for range maxDepth {
		r, ok := v.(ref)
		if !ok {
			return v
		}
		if known, ok := f.parsed[r.num]; ok {
			v = known
			continue
		}
		f.parsed[r.num] = nil // while it is being read
		p, ok := f.where[r.num]
		switch {
		case !ok:
			return nil
		case p.in != 0:
			if objects := f.unpack(p.in); p.index < len(objects) && f.numbers[p.in][p.index] == r.num {
				v = objects[p.index]
			} else {
				v = nil
			}
		default:
			num, o := f.object(p.offset)
			if v = o; num != r.num {
				v = nil
			}
		}
		f.parsed[r.num] = v
	}
	return nil
}

func (f *file) dict(v any) dict {
	switch v := f.get(v).(type) {
	case dict:
		return v
	case *stream:
		return v.dict
	default:
		return nil
	}
}

func (f *file) number(v any) float64 {
	n, _ := f.get(v).(float64)
	return n
}

func (f *file) array(v any) array {
	a, _ := f.get(v).(array)
	return a
}

// object parses "n g obj …" at an offset (7.3.10); num is -1 where there is none.
func (f *file) object(offset int) (num int, v any) {
	if offset < 0 || offset >= len(f.data) {
		return -1, nil
	}
	// Objects that never end would make reading many of them take the square of
	// the file's size.
	const window, work = 256 << 10, 64 << 20
	if f.read > work || f.ctx.Err() != nil {
		return -1, nil
	}
	l := &lexer{data: f.data[:min(len(f.data), offset+window)], pos: offset}
	defer func() { f.read += l.pos - offset }()
	n, ok1 := l.next(0).(float64)
	_, ok2 := l.next(0).(float64)
	if !ok1 || !ok2 || l.next(0) != keyword("obj") {
		return -1, nil
	}
	l.refs = true
	v = l.next(0)
	d, ok := v.(dict)
	if !ok {
		return int(n), v
	}
	if l.next(0) != keyword("stream") {
		return int(n), d
	}
	start := l.pos
	if bytes.HasPrefix(f.data[start:], []byte("\r\n")) {
		start += 2
	} else if start < len(f.data) && (f.data[start] == '\n' || f.data[start] == '\r') {
		start++
	}
	return int(n), &stream{d, f.extent(d, start)}
}

// extent is the bytes of the stream that begins at start: as long as it says
// when "endstream" follows there, otherwise up to the next "endstream".
func (f *file) extent(d dict, start int) []byte {
	if n := f.number(d["Length"]); n >= 0 && n <= float64(len(f.data)-start) {
		l := lexer{data: f.data, pos: start + int(n)}
		if l.skip(); bytes.HasPrefix(f.data[l.pos:], []byte("endstream")) {
			return f.data[start : start+int(n)]
		}
	}
	i := bytes.Index(f.data[start:], []byte("endstream"))
	if i < 0 {
		i = len(f.data) - start
	}
	f.read += i
	return f.data[start : start+i]
}

// unpack parses the objects of an object stream (7.5.7).
func (f *file) unpack(num int) []any {
	if objects, ok := f.packed[num]; ok {
		return objects
	}
	f.packed[num] = nil // while it is being read
	if f.where[num].in != 0 {
		return nil // an object stream is never in another
	}
	s, ok := f.get(ref{num: num}).(*stream)
	if !ok || s.dict["Type"] != name("ObjStm") {
		return nil
	}
	data, err := f.decode(s)
	if err != nil {
		return nil
	}
	first, count := int(f.number(s.dict["First"])), int(f.number(s.dict["N"]))
	head := lexer{data: data}
	var objects []any
	for i := 0; i < count && i < maxObjects; i++ {
		n, ok1 := head.next(0).(float64)
		offset, ok2 := head.next(0).(float64)
		if !ok1 || !ok2 || first+int(offset) < 0 || first+int(offset) > len(data) {
			break
		}
		body := lexer{data: data, pos: first + int(offset), refs: true}
		f.numbers[num] = append(f.numbers[num], int(n))
		objects = append(objects, body.next(0))
	}
	f.packed[num] = objects
	return objects
}

// page is a leaf of the page tree with what it inherits (7.7.3).
type page struct {
	dict      dict
	resources dict
	box       array
}

func (f *file) pages() ([]page, error) {
	var out []page
	visited := 0
	var walk func(node dict, resources dict, box array, depth int)
	walk = func(node dict, resources dict, box array, depth int) {
		if visited++; node == nil || depth > maxDepth || visited > maxObjects || len(out) >= maxPages {
			return
		}
		if r := f.dict(node["Resources"]); r != nil {
			resources = r
		}
		if b := f.array(node["MediaBox"]); len(b) == 4 {
			box = b
		}
		kids := f.array(node["Kids"])
		if kids == nil && node["Kids"] == nil {
			out = append(out, page{node, resources, box})
			return
		}
		for _, k := range kids {
			if len(out) >= maxPages {
				return
			}
			walk(f.dict(k), resources, box, depth+1)
		}
	}
	walk(f.root(), nil, nil, 0)
	if len(out) == 0 {
		return nil, ErrDamaged
	}
	return out, nil
}
