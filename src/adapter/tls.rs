//! TLS to a target, for HTTP and Kafka: the trusted certificates.

use rustls::ClientConfig;
use rustls::RootCertStore;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls_platform_verifier::BuilderVerifierExt as _;
use std::path::Path;
use std::sync::Arc;

/// A client configuration that trusts the certificates in a file, or those of the system.
pub(super) fn with_roots(ca: Option<&Path>) -> Result<ClientConfig, String> {
    match ca {
        Some(path) => from_file(path),
        None => {
            let built = builder()?.with_platform_verifier().map_err(|error| error.to_string())?;
            Ok(built.with_no_client_auth())
        }
    }
}

/// A client configuration that trusts no certificate, for plain HTTP. Loading the system's certificates would
/// be a waste.
pub(super) fn without_roots() -> Result<ClientConfig, String> {
    Ok(builder()?.with_root_certificates(RootCertStore::empty()).with_no_client_auth())
}

fn builder() -> Result<rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier>, String> {
    let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()));
    builder.with_safe_default_protocol_versions().map_err(|error| error.to_string())
}

fn from_file(path: &Path) -> Result<ClientConfig, String> {
    let wrong = |error: &dyn std::fmt::Display| format!("the certificates in {}: {error}", path.display());
    let text = std::fs::read(path).map_err(|error| wrong(&error))?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&text) {
        let certificate = certificate.map_err(|error| wrong(&error))?;
        roots.add(certificate).map_err(|error| wrong(&error))?;
    }
    match roots.is_empty() {
        true => Err(wrong(&"no certificates found; a PEM file begins with -----BEGIN CERTIFICATE-----")),
        false => Ok(builder()?.with_root_certificates(roots).with_no_client_auth()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_certificates_is_refused_by_name() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("ca.pem");
        for (text, told) in [
            ("", "no certificates found"),
            ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "ca.pem"),
        ] {
            std::fs::write(&path, text).expect("a file");
            let error = with_roots(Some(&path)).expect_err("no certificates");
            assert!(error.contains(told) && error.contains("ca.pem"), "{error}");
        }
        assert!(with_roots(Some(Path::new("nowhere.pem"))).is_err());
    }
}
