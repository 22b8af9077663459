package main

import (
	"maps"
	"os"
	"path/filepath"
	"testing"
)

func TestTheNamesOfJarsTellTheirVersions(t *testing.T) {
	directory := t.TempDir()
	for _, name := range []string{"kafka-clients-3.8.1.jar", "spring-kafka-3.3.16.jar", "spring-kafka-test-3.3.16.jar", "spring-core-6.2.19.jar"} {
		if err := os.WriteFile(filepath.Join(directory, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p := programs{versions: make(map[string]string)}
	if err := p.learnJars(directory); err != nil {
		t.Fatal(err)
	}
	if want := map[string]string{"kafka-clients": "3.8.1", "spring-kafka": "3.3.16"}; !maps.Equal(p.versions, want) {
		t.Errorf("got %v, want %v", p.versions, want)
	}
}
