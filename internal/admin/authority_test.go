package admin

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/redeliver/redeliver/internal/certs"
	"github.com/redeliver/redeliver/internal/certs/certstest"
)

// material is a server's certificate in files, with the authority for the users'.
func material(t *testing.T, a *certstest.Authority) *certs.Material {
	t.Helper()
	dir := t.TempDir()
	files := certs.Files{Authorities: filepath.Join(dir, "ca.pem"), Certificate: filepath.Join(dir, "server.pem"), Key: filepath.Join(dir, "server.key")}
	certificate, key := certstest.PEM(t, a.Sign(t, "server"))
	for path, content := range map[string][]byte{files.Authorities: a.PEM(), files.Certificate: certificate, files.Key: key} {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	material, err := certs.Read(files)
	if err != nil {
		t.Fatal(err)
	}
	return material
}
