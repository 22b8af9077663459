package deploy

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"text/template"

	"github.com/goreleaser/goreleaser/v2/pkg/config"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
)

// The release is what goreleaser takes, is built as the image is, and what it packs is there.
func TestTheReleaseIsWhole(t *testing.T) {
	project, err := config.Load("../.goreleaser.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if project.Version != 2 || len(project.Builds) != 1 || len(project.SBOMs) != 1 {
		t.Fatalf("got %+v", project)
	}
	built := project.Builds[0]
	run := of[*instructions.RunCommand](stageNamed(readDockerfile(t), "build"))
	image := strings.Join(run[len(run)-1].CmdLine, " ")
	for _, flag := range slices.Concat(built.Flags, built.Env, []string{built.Main}) {
		if !strings.Contains(image, flag) {
			t.Errorf("the image is built without %s: %s", flag, image)
		}
	}
	for _, variable := range []string{"-s -w", "-X main.release=", "-X main.revision=", "-X main.date="} {
		if !strings.Contains(built.Ldflags[0], variable) || !strings.Contains(image, variable) {
			t.Errorf("the linker is told of %s in only one of the two:\n%s\n%s", variable, built.Ldflags[0], image)
		}
	}
	for _, file := range project.Archives[0].Files {
		if _, err := os.Stat(filepath.Join("..", file.Source)); err != nil {
			t.Error(err)
		}
	}
}

// What is put into the configuration when a release is made has a name that goreleaser knows; it would find out only then.
func TestTheReleaseAsksForWhatGoreleaserKnows(t *testing.T) {
	text, err := os.ReadFile("../.goreleaser.yaml")
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := template.New("").Option("missingkey=error").Parse(string(text))
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]any{ // of https://goreleaser.com/customization/templates/ those that we have a use for
		"ProjectName": "redeliver", "Tag": "v1.2.3", "Version": "1.2.3", "FullCommit": "0123", "CommitDate": "2026-01-02T03:04:05Z", "CommitTimestamp": "1767323045",
		"Os": "linux", "Arch": "amd64",
	}
	if err := parsed.Execute(io.Discard, known); err != nil {
		t.Error(err)
	}
}

func TestAWrongReleaseIsRefused(t *testing.T) {
	if _, err := config.LoadReader(strings.NewReader("version: 2\nbuilds:\n  - mainn: ./cmd/redeliver\n")); err == nil || !strings.Contains(err.Error(), "mainn") {
		t.Errorf("a name that is none is taken: %v", err)
	}
}
