package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"strings"
)

// target is one fuzz test.
type target struct {
	name string
	dir  string // of its package, with slashes, below the root
}

// find returns the fuzz tests of the module at root, by directory. Modules below it have their own.
func find(root string) (all []target, err error) {
	tree := os.DirFS(root)
	err = fs.WalkDir(tree, ".", func(at string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir():
			return enter(tree, at)
		case !strings.HasSuffix(at, "_test.go"):
			return nil
		}
		text, err := fs.ReadFile(tree, at)
		if err != nil {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), at, text, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, decl := range file.Decls {
			if f, ok := decl.(*ast.FuncDecl); ok && f.Recv == nil && strings.HasPrefix(f.Name.Name, "Fuzz") {
				all = append(all, target{f.Name.Name, path.Dir(at)})
			}
		}
		return nil
	})
	return all, err
}

// enter skips what go test leaves out: hidden directories, test data, and other modules.
func enter(tree fs.FS, dir string) error {
	if dir == "." {
		return nil
	}
	name := path.Base(dir)
	_, err := fs.Stat(tree, path.Join(dir, "go.mod"))
	if err == nil || name == "testdata" || strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_") {
		return fs.SkipDir
	}
	return nil
}
