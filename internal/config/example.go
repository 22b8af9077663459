package config

import _ "embed"

// Example is a commented configuration file to begin with: the config.yaml at the top of the project.
//
//go:embed example.yaml
var Example string
