package render

// Layout is how a page is arranged. It is data of the profile: a YAML file
// that [ParseLayout] reads.
type Layout struct {
	// Accent is the colour of rules and headings, "#rrggbb".
	Accent string `yaml:"accent"`
	// Margin is the free border of the page in millimetres, 10 to 25.
	Margin float64 `yaml:"margin"`
	// QR is the side of the QR code without its quiet zone in millimetres, 50 to 80.
	QR float64 `yaml:"qr"`
	// Blocks from top to bottom.
	Blocks []Block `yaml:"blocks"`
}

// Block is one part of the page.
type Block struct {
	// Kind is header, title, person (with the QR code beside it), doses,
	// certificate, barcode or notes.
	Kind string `yaml:"kind"`
	// Fields chooses and orders what the block shows; empty means all it has.
	Fields []string `yaml:"fields,omitempty"`
}
