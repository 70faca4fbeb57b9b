package cluster

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"
)

// The files of a set of certificates.
const (
	caFile     = "ca.pem"
	secretFile = "secret" // what clients know, beside their certificate
	clientName = "client" // whose certificate they show
)

// certYears is how long a set is good. There is no rotation but making another
// set, while the cluster stands still.
const certYears = 10

// MakeCerts fills dir with a private authority's certificate, one for each
// peer's name and host, one for clients, and the secret that clients need as
// well. The authority's key is used and thrown away, so nobody can be added to
// the set later. It refuses a folder that has a set.
func MakeCerts(dir string, peers []Peer) error {
	if _, err := os.Stat(filepath.Join(dir, caFile)); err == nil {
		return fmt.Errorf("%s holds certificates already: name another folder, or remove them", dir)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("folder for certificates: %w", err)
	}
	template := &x509.Certificate{Subject: pkix.Name{CommonName: "esc cluster"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	ca, err := issue(template, nil)
	if err != nil {
		return err
	}
	for _, p := range append([]Peer{{Name: clientName, Address: "localhost:0"}}, peers...) {
		if err := issueTo(dir, p, ca); err != nil {
			return err
		}
	}
	secret := make([]byte, 32)
	rand.Read(secret)
	if err := os.WriteFile(filepath.Join(dir, secretFile), fmt.Appendf(nil, "%x\n", secret), 0o600); err != nil {
		return fmt.Errorf("certificates: %w", err)
	}
	return writePEM(dir, caFile, "CERTIFICATE", ca.Leaf.Raw, 0o644)
}

func issueTo(dir string, p Peer, ca *tls.Certificate) error {
	template := &x509.Certificate{
		Subject:     pkix.Name{CommonName: p.Name},
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		DNSNames:    []string{"localhost"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
	}
	host, _, err := net.SplitHostPort(p.Address)
	if err != nil {
		return fmt.Errorf("certificate of %s: address %q: write HOST:PORT", p.Name, p.Address)
	}
	if ip := net.ParseIP(host); ip != nil {
		template.IPAddresses = append(template.IPAddresses, ip)
	} else {
		template.DNSNames = append(template.DNSNames, host)
	}
	cert, err := issue(template, ca)
	if err != nil {
		return err
	}
	key, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
	if err != nil {
		return fmt.Errorf("certificate of %s: %w", p.Name, err)
	}
	return errors.Join(writePEM(dir, p.Name+".pem", "CERTIFICATE", cert.Leaf.Raw, 0o644), writePEM(dir, p.Name+".key", "PRIVATE KEY", key, 0o600))
}

// issue signs the template, by itself if there is no authority yet.
func issue(template *x509.Certificate, ca *tls.Certificate) (*tls.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, fmt.Errorf("certificates: %w", err)
	}
	template.SerialNumber = serial
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().AddDate(certYears, 0, 0)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("certificates: %w", err)
	}
	parent, signer := template, any(key)
	if ca != nil {
		parent, signer = ca.Leaf, ca.PrivateKey
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		return nil, fmt.Errorf("certificates: %w", err)
	}
	leaf, err := x509.ParseCertificate(raw)
	return &tls.Certificate{Certificate: [][]byte{raw}, PrivateKey: key, Leaf: leaf}, err
}

func writePEM(dir, name, kind string, raw []byte, mode os.FileMode) error {
	if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: raw}), mode); err != nil {
		return fmt.Errorf("certificates: %w", err)
	}
	return nil
}

// credentials are what one member of a set shows, and by what it knows others.
type credentials struct {
	tls    *tls.Config // both sides show a certificate of the set
	secret string
}

func loadCredentials(dir, name string) (c credentials, err error) {
	if c.tls, err = MutualTLS(dir, name); err != nil {
		return c, err
	}
	secret, err := os.ReadFile(filepath.Join(dir, secretFile))
	if err != nil {
		return c, fmt.Errorf("certificates: %w", err)
	}
	c.secret = strings.TrimSpace(string(secret))
	return c, nil
}

// MutualTLS is how the member of that name of the set in dir serves and dials:
// it shows its certificate, and talks to members alone. It reads ca.pem,
// NAME.pem and NAME.key, which need not be of MakeCerts.
func MutualTLS(dir, name string) (*tls.Config, error) {
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, name+".pem"), filepath.Join(dir, name+".key"))
	if err != nil {
		return nil, fmt.Errorf("certificate of %s in %s: %w: esc cluster certs makes a set", name, dir, err)
	}
	ca, err := os.ReadFile(filepath.Join(dir, caFile))
	if err != nil {
		return nil, fmt.Errorf("certificates: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(ca) {
		return nil, fmt.Errorf("certificates: %s holds no certificate", filepath.Join(dir, caFile))
	}
	return &tls.Config{
		MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{pair},
		RootCAs: pool, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert,
	}, nil
}

// user is a client's key pair, which follows from the set's secret. The secret
// itself never travels: a client signs what the server makes up.
type user struct {
	public string
	pair   nkeys.KeyPair
}

func (c credentials) user() user { return userOf(c.secret) }

// system is the key pair with which a node tells its own server who is a peer no
// longer.
func (c credentials) system() user { return userOf("system " + c.secret) }

func userOf(secret string) user {
	seed := sha256.Sum256([]byte(secret))
	encoded, err := nkeys.EncodeSeed(nkeys.PrefixByteUser, seed[:])
	if err != nil {
		panic(err) // it is of the right length
	}
	pair, err := nkeys.FromSeed(encoded)
	if err != nil {
		panic(err)
	}
	public, err := pair.PublicKey()
	if err != nil {
		panic(err)
	}
	return user{public, pair}
}

func (u user) option() nats.Option { return nats.Nkey(u.public, u.pair.Sign) }
