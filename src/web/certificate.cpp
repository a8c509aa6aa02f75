#include "web/certificate.h"

#include "base/private_file.h"

#include <fmt/format.h>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include <array>
#include <iterator>
#include <memory>
#include <vector>

namespace zc::web {
namespace {

template <auto kFree>
struct Free {
  template <class T>
  void operator()(T* one) const {
    kFree(one);
  }
};
using KeyPtr = std::unique_ptr<EVP_PKEY, Free<EVP_PKEY_free>>;
using CertificatePtr = std::unique_ptr<X509, Free<X509_free>>;
using BioPtr = std::unique_ptr<BIO, Free<BIO_free_all>>;
using ExtensionPtr = std::unique_ptr<X509_EXTENSION, Free<X509_EXTENSION_free>>;
using NumberPtr = std::unique_ptr<BIGNUM, Free<BN_free>>;

constexpr long kYears = 10L * 365 * 24 * 3600;
constexpr std::size_t kMostPem = 65536;

bool is_address(const std::string& name) {
  return name.find(':') != std::string::npos || name.find_first_not_of("0123456789.") == std::string::npos;
}

bool add_extension(X509* certificate, int kind, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, certificate, certificate, nullptr, nullptr, 0);
  const ExtensionPtr extension(X509V3_EXT_conf_nid(nullptr, &context, kind, value.c_str()));
  return extension && X509_add_ext(certificate, extension.get(), -1) == 1;
}

std::string make_pem(std::span<const std::string> names) {
  const KeyPtr key(EVP_EC_gen("P-256"));
  const CertificatePtr certificate(X509_new());
  const NumberPtr serial(BN_new());
  if (!key || !certificate || !serial || BN_rand(serial.get(), 64, BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ANY) != 1) return {};
  X509_set_version(certificate.get(), X509_VERSION_3);
  BN_to_ASN1_INTEGER(serial.get(), X509_get_serialNumber(certificate.get()));
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -3600);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), kYears);
  X509_set_pubkey(certificate.get(), key.get());
  X509_NAME* name = X509_get_subject_name(certificate.get());
  constexpr std::array<unsigned char, 9> kName{"zerocast"};
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, kName.data(), 8, -1, 0);
  X509_set_issuer_name(certificate.get(), name);
  std::string all;
  for (const std::string& one : names)
    all += fmt::format("{}{}:{}", all.empty() ? "" : ",", is_address(one) ? "IP" : "DNS", one);
  const bool good = add_extension(certificate.get(), NID_subject_alt_name, all) &&
                    add_extension(certificate.get(), NID_basic_constraints, "critical,CA:FALSE") &&
                    add_extension(certificate.get(), NID_ext_key_usage, "serverAuth") &&
                    X509_sign(certificate.get(), key.get(), EVP_sha256()) > 0;
  const BioPtr out(BIO_new(BIO_s_mem()));
  if (!good || !out || PEM_write_bio_X509(out.get(), certificate.get()) != 1 ||
      PEM_write_bio_PrivateKey(out.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) != 1) {
    return {};
  }
  char* bytes = nullptr;
  const long length = BIO_get_mem_data(out.get(), &bytes);
  return {bytes, static_cast<std::size_t>(length)};
}

}  // namespace

Result<void> ensure_certificate(const std::filesystem::path& file, std::span<const std::string> names) {
  if (auto made = make_private_folders(file.parent_path()); !made) return made;
  const auto lock = lock_private_file(file);
  if (!lock) return std::unexpected(lock.error());
  const auto known = read_small_file(file, kMostPem);
  if (!known) return std::unexpected(known.error());
  if (!known->empty()) return {};
  const std::string pem = make_pem(names);
  if (pem.empty()) return fail(ErrorKind::Internal, "make a certificate", "OpenSSL does not do it");
  return replace_private_file(file, pem);
}

Result<std::string> fingerprint(const std::filesystem::path& file) {
  const auto text = read_small_file(file, kMostPem);
  if (!text) return std::unexpected(text.error());
  const BioPtr in(BIO_new_mem_buf(text->data(), static_cast<int>(text->size())));
  const CertificatePtr certificate(in ? PEM_read_bio_X509(in.get(), nullptr, nullptr, nullptr) : nullptr);
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned length = 0;
  if (!certificate || X509_digest(certificate.get(), EVP_sha256(), digest.data(), &length) != 1) {
    return fail(ErrorKind::Invalid, file.string(), "there is no certificate in it");
  }
  std::string shown;
  for (unsigned i = 0; i < length; ++i)
    fmt::format_to(std::back_inserter(shown), "{}{:02X}", i == 0 ? "" : ":", digest.at(i));
  return shown;
}

}  // namespace zc::web
