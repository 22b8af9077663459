package config

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

// Options say how a file is read.
type Options struct {
	// Lookup returns the value of an environment variable, and whether it is set. Defaults to os.LookupEnv.
	Lookup func(name string) (string, bool)
	// Embedded says that the brokers come from elsewhere: kafka.brokers need not be there.
	Embedded bool
}

// Load reads a configuration file. Its error is [Problems] with every mistake, or a [*FileError] when the file cannot be
// read.
func Load(path string, o Options) (*Config, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, &FileError{Path: path, Err: err}
	}
	defer func() { _ = f.Close() }() // it was only read
	return Read(path, f, o)
}

// Read reads a configuration from r; name is what its problems call it. Its error is as that of Load.
func Read(name string, r io.Reader, o Options) (*Config, error) {
	text, err := io.ReadAll(io.LimitReader(r, largest+1))
	if err != nil {
		return nil, &FileError{Path: name, Err: err}
	}
	return Parse(name, text, o)
}

// largest is the most bytes of a configuration file. No real one comes near it.
const largest = 4 << 20

// Parse reads the text of a configuration file; name is what its problems call it. Its error is [Problems].
func Parse(name string, text []byte, o Options) (*Config, error) {
	if o.Lookup == nil {
		o.Lookup = os.LookupEnv
	}
	text = []byte(strings.TrimPrefix(string(text), "\ufeff"))
	d := newDocument(name, text)
	if len(text) > largest {
		d.problem(Place{}, "the file is larger than 4 MiB; is it a configuration?")
		return nil, d.result()
	}
	c := &Config{File: name}
	if root := d.compose(text); root != nil {
		if v := d.resolve(root, o.Lookup); v != nil {
			d.read(c, v, o)
		}
	}
	if err := d.result(); err != nil {
		return nil, err
	}
	return c, nil
}

// read fills c from the values of the file.
func (d *document) read(c *Config, v *value, o Options) {
	switch {
	case v.kind == null:
		d.problem(Place{}, "the file is empty: it needs at least one pipeline; print an example with: redeliver config example")
		return
	case v.kind != mapping:
		d.problem(v.at, "the file is "+v.kind.String()+", not a section of keys; it holds the keys "+names(fileKeys(c)))
		return
	}
	r := &reader{
		document: d,
		root:     fileKeys(c),
		places:   map[string]Place{}, keyPlaces: map[string]Place{}, values: map[string]*value{},
		bad: map[string]bool{}, meant: map[string]bool{},
		optional: func(path string) bool {
			return path == "kafka.brokers" && o.Embedded || strings.HasPrefix(path, "defaults.")
		},
	}
	r.section(r.root, withDefaults(v), "")
	c.places = r.places
	for i := range c.Clusters {
		c.Clusters[i].Section = clusterPath(i)
	}
	r.rules(c, o)
	c.Warnings, c.Notices = d.told(d.warnings), d.told(d.notices)
}

// withDefaults merges defaults: under every pipeline.
func withDefaults(file *value) *value {
	defaults, pipelines := file.get("defaults"), file.get("pipelines")
	if defaults == nil || defaults.kind != mapping || pipelines == nil || pipelines.kind != list {
		return file
	}
	defaults = defaults.inherit()
	merged := *file
	merged.entries = slices.Clone(file.entries)
	for i, e := range merged.entries {
		if e.name != "pipelines" {
			continue
		}
		all := *pipelines
		all.items = nil
		for _, item := range pipelines.items {
			if item.kind == mapping {
				item = item.under(defaults)
			}
			all.items = append(all.items, item)
		}
		merged.entries[i].value = &all
	}
	return &merged
}

// result returns the problems in the order of the file, nil when there are none.
func (d *document) result() error {
	if len(d.problems) == 0 {
		return nil
	}
	return d.told(d.problems)
}

// told sorts problems and gives each its line. Which lines hold secrets is known only at the end.
func (d *document) told(problems Problems) Problems {
	sorted := slices.Clone(problems)
	slices.SortStableFunc(sorted, func(a, b Problem) int {
		if a.Line != b.Line {
			return a.Line - b.Line
		}
		return a.Column - b.Column
	})
	for i := range sorted {
		sorted[i].Source = d.source(sorted[i].Line)
	}
	return sorted
}

// clusterPath is the path of the section of another cluster.
func clusterPath(i int) string { return fmt.Sprintf("clusters[%d]", i) }

// At returns where the value of a path stands in the file, as file:line:column, for errors that are found later: the
// path is one like pipelines[0].topics[1]. What is not in the file has the place of the nearest section above it.
func (c *Config) At(path string) string {
	return placeText(c.File, nearestPlace(c.places, path))
}
