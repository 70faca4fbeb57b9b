package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"eventstreamcore/engine/ingest"
	"eventstreamcore/workloads/drive"
)

// accessFlags are what lets a client in at a frame port.
type accessFlags struct {
	tls                  bool
	ca, cert, key, token string // files
}

func (f *accessFlags) add(c *cobra.Command) {
	c.Flags().BoolVar(&f.tls, "tls", false, "connect by TLS")
	c.Flags().StringVar(&f.ca, "ca", "", "PEM file of who vouches for the server, instead of the system's; implies --tls")
	c.Flags().StringVar(&f.cert, "cert", "", "PEM file of this client's certificate; implies --tls")
	c.Flags().StringVar(&f.key, "key", "", "PEM file of its key")
	c.Flags().StringVar(&f.token, "token-file", "", "file that holds the token to present; without it the environment's ESC_TOKEN")
	c.MarkFlagsRequiredTogether("cert", "key")
}

// parse reads the files.
func (f *accessFlags) parse(a *drive.Access) error {
	if !a.UDP {
		a.Token = ingest.Secret(os.Getenv("ESC_TOKEN"))
	}
	if f.token != "" {
		token, err := os.ReadFile(f.token)
		if err != nil {
			return fmt.Errorf("--token-file: %w", err)
		}
		a.Token = ingest.Secret(strings.TrimSpace(string(token)))
	}
	if !f.tls && f.ca == "" && f.cert == "" {
		return nil
	}
	a.TLS = &tls.Config{MinVersion: tls.VersionTLS13}
	if f.ca != "" {
		pem, err := os.ReadFile(f.ca)
		if err != nil {
			return fmt.Errorf("--ca: %w", err)
		}
		if a.TLS.RootCAs = x509.NewCertPool(); !a.TLS.RootCAs.AppendCertsFromPEM(pem) {
			return fmt.Errorf("--ca %s: holds no certificate in PEM form", f.ca)
		}
	}
	if f.cert != "" {
		own, err := tls.LoadX509KeyPair(f.cert, f.key)
		if err != nil {
			return fmt.Errorf("--cert %s, --key %s: %w", f.cert, f.key, err)
		}
		a.TLS.Certificates = []tls.Certificate{own}
	}
	return nil
}
