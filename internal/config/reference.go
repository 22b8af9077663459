package config

// KeyInfo describes one key of the configuration file for people.
type KeyInfo struct {
	Path     string `json:"key"`     // pipelines[].retry.tiers
	Default  string `json:"default"` // as YAML, or in words where it depends on others; "" for none
	Required bool   `json:"required"`
	Want     string `json:"want"` // what a right value is
	Meaning  string `json:"meaning"`
	Secret   bool   `json:"secret,omitempty"` // never printed
}

// Keys lists every key in the order of the file. Those under defaults are not repeated: they are a pipeline's.
func Keys() []KeyInfo {
	var all []KeyInfo
	walk(fileKeys(new(Config)), "", func(path string, k key) {
		if len(path) > len("defaults.") && path[:len("defaults.")] == "defaults." {
			return
		}
		info := KeyInfo{Path: path, Default: k.def, Required: k.need, Want: k.want, Meaning: k.doc, Secret: k.secret}
		switch {
		case info.Default == "":
			info.Default = k.otherwise
		case k.otherwise != "":
			info.Default += ", " + k.otherwise
		}
		all = append(all, info)
	})
	return all
}
