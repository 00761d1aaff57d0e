#include "cooper/delivery/signature.hpp"

#include "cooper/base/error.hpp"
#include "cooper/base/files.hpp"
#include "cooper/base/text.hpp"

#include <catch2/catch.hpp>

#include <filesystem>
#include <vector>

using namespace cooper;
using namespace cooper::delivery;

namespace {

// One key for tests alone, as OpenSSL 3.0 writes it in every form; the passphrase is "hello".
constexpr const char* kSec1 = R"(-----BEGIN EC PARAMETERS-----
BggqhkjOPQMBBw==
-----END EC PARAMETERS-----
-----BEGIN EC PRIVATE KEY-----
MHcCAQEEIDiD0+NJOjrbARo6IIjChBV3mjPh64oGRNriJPugV2nYoAoGCCqGSM49
AwEHoUQDQgAEH/YsCwtnEyrAPWfEGCH/HZ0UaWfE6qdbZCTL5OH5AAIjXVebZkbU
DphYysgeW6WAX2ZoyLTbK7EPdLCUS5PbHw==
-----END EC PRIVATE KEY-----
)";

constexpr const char* kPkcs8 = R"(-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgOIPT40k6OtsBGjog
iMKEFXeaM+HrigZE2uIk+6BXadihRANCAAQf9iwLC2cTKsA9Z8QYIf8dnRRpZ8Tq
p1tkJMvk4fkAAiNdV5tmRtQOmFjKyB5bpYBfZmjItNsrsQ90sJRLk9sf
-----END PRIVATE KEY-----
)";

constexpr const char* kPbkdf2 = R"(-----BEGIN ENCRYPTED PRIVATE KEY-----
MIHsMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAiGYrG50iGfZQICCAAw
DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEENcc8TXvh0ovf6rnS+IQ988EgZBW
4Qmxgp3GTDh76NOZv3k5Qw2q7PGlZYOjE9GGNf9doTD5SmSGPM6BBkBaSuTDDww+
U95j6a2iwGnZn4M3ihBj/xhupz48ltHX0t3EMkj6rxdJ40jatVuxgjyPfDlk17b9
KiHzRUB7SywDdm+2RKgubWn0xjOzhGosOeh3oFyIGpsl6H8ei/1FlYbm4vw0dew=
-----END ENCRYPTED PRIVATE KEY-----
)";

constexpr const char* kScrypt = R"(-----BEGIN ENCRYPTED PRIVATE KEY-----
MIHkME8GCSqGSIb3DQEFDTBCMCEGCSsGAQQB2kcECzAUBAiydoEO5tJL2wICBAAC
AQgCAQEwHQYJYIZIAWUDBAEqBBB1jGMBHsUMnIQ/KVcIwKu4BIGQpjg60GtuA/G6
gZCq78DrI+kEo9ThAX2IlJwAMd4yxdVq7nmjPbeGvPDOdO3Xi+4CoS14kpqRdbHw
08abrnLOJ7+7P4/Hk+0qbiL9pjiroa2VX857fUTtGZDYXMn0+6/2n0a7fr4B+9FN
TF6PLtmvcSTnx8SFqMPDP/lUUEYA4XugtqhMxgco6bDAvOM1j1/j
-----END ENCRYPTED PRIVATE KEY-----
)";

constexpr const char* kLegacy = R"(-----BEGIN EC PRIVATE KEY-----
Proc-Type: 4,ENCRYPTED
DEK-Info: AES-128-CBC,3DE5FB9BE2093474968736F8F829B340

XDG3M5l7Dyakk73jyx0iXXehJWM0++S7TDi103/r4gLp2dPxW7EQ+fdnNpxL8edg
qExDAqAgIg4lP61/I8/GXdMbsPdlThMDlJjcfI7Bkrs938Ss2cSB2VtlzC6O7gc7
XrCcMNG6SwL8CQ3Mt0xLBPNU3pYb+vfAbqbSbyUut8g=
-----END EC PRIVATE KEY-----
)";

constexpr const char* kPublic = R"(-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEH/YsCwtnEyrAPWfEGCH/HZ0UaWfE
6qdbZCTL5OH5AAIjXVebZkbUDphYysgeW6WAX2ZoyLTbK7EPdLCUS5PbHw==
-----END PUBLIC KEY-----
)";

constexpr const char* kExplicit = R"(-----BEGIN EC PRIVATE KEY-----
MIIBaAIBAQQgOIPT40k6OtsBGjogiMKEFXeaM+HrigZE2uIk+6BXadiggfowgfcC
AQEwLAYHKoZIzj0BAQIhAP////8AAAABAAAAAAAAAAAAAAAA////////////////
MFsEIP////8AAAABAAAAAAAAAAAAAAAA///////////////8BCBaxjXYqjqT57Pr
vVV2mIa8ZR0GsMxTsPY7zjw+J9JgSwMVAMSdNgiG5wSTamZ44ROdJreBn36QBEEE
axfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpZP40Li/hp/m47n60p8D54W
K84zV2sxXs7LtkBoN79R9QIhAP////8AAAAA//////////+85vqtpxeehPO5ysL8
YyVRAgEBoUQDQgAEH/YsCwtnEyrAPWfEGCH/HZ0UaWfE6qdbZCTL5OH5AAIjXVeb
ZkbUDphYysgeW6WAX2ZoyLTbK7EPdLCUS5PbHw==
-----END EC PRIVATE KEY-----
)";

constexpr const char* kCompressed = R"(-----BEGIN EC PRIVATE KEY-----
MFcCAQEEIDiD0+NJOjrbARo6IIjChBV3mjPh64oGRNriJPugV2nYoAoGCCqGSM49
AwEHoSQDIgADH/YsCwtnEyrAPWfEGCH/HZ0UaWfE6qdbZCTL5OH5AAI=
-----END EC PRIVATE KEY-----
)";

constexpr const char* kEd25519 = R"(-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIGxGFHE8TEKtoB+9eiFO4IHRl+zCADWVvX7QPbS9KMH1
-----END PRIVATE KEY-----
)";

constexpr const char* kP384 = R"(-----BEGIN EC PRIVATE KEY-----
MIGkAgEBBDAvJEwQiNuUE2IUZtSkaTk2XDhmwEgxbTVncvnPgncPPcOZqrxl1WjK
rYWTiWvddu2gBwYFK4EEACKhZANiAATwRTJKsjUsZXz3yDaWQ0Myc91dkEpPIR2i
2KHa91FpHuC7TzclWoY8RKlWRAqRzz8iJTVvGnYEcXAvmAnlzUP1Abvz2c6MSg0X
bX1LvahTPJJZkS+F405RRXlGzRG9cPw=
-----END EC PRIVATE KEY-----
)";

constexpr const char* kRsa = R"(-----BEGIN PRIVATE KEY-----
MIICdwIBADANBgkqhkiG9w0BAQEFAASCAmEwggJdAgEAAoGBANN2UYO8Qr9sbdqg
2LAv0Oqc0J9BWD+q+19qS66xLPG+SqmsoLa8iF0AdaoUNHDJZ3MwGe7RlnFznqeB
NEn45hlocVr41S+PzpFFM1CFenShqsagQeAdYbcXqv2tJZumQHMXsWQeNrjdRcMh
IOyVvRum1CPD5+KOhIJswXNIoVSnAgMBAAECgYByZj09NpkptEBOGdyAnK26bzHS
JmjWsOqjOP9Ot91nvxnnZ1Pe6GohXkFJzPp91gfYYjp1X/+yyukXF6gxKK1aL2+X
dN6y+pTrxuFX559aFDhgXTe0PxczwPhDJm/TTvwMrfmuRdPZ7bWK6sXhl4MpyR4e
GLwdC4ATrfdVaX046QJBAPWlhjQSrgPGuWtMWEOXEXWvwXqZGm8IlJjnTqwPGnWT
x1i9Fe7QOYGfr/wqbZNhxbHp2XsA8BEQa7ZrMA840AMCQQDcX/OcY6jhvrZQUs7r
tBTTe9mPc86bYlWt8yDM3N+DCQXBaBrO5giV09VSJHr4W7dfYYirlt38ohEqqkFI
gkGNAkEAgmOZJ9zed2ytkVHV7BKtFt3zAkNwb42LatokvVnK/qwxfV3o3XmzfKWp
wV04Cqo0SOrLIOpvg29G7W5Z9Up/xwJBANAWflauuBopVcd02dQw3/VuHdnZ9T49
1T+CsvcenKMDkv60SZQSHAs10llU/xSirf0PgNjdhVF2yxTpXOmVrUUCQEnYLEGU
Cd6bTqLngZJbywLfOd9bffjmR9Avsofk+jcMwnc1g3o9hSnwJZbPKtVpZjsgxkAL
ASsXG+I2LmThT8Q=
-----END PRIVATE KEY-----
)";

// `printf 'signed\n' | openssl dgst -sha256 -sign`
const std::string kSigned = "signed\n";
const std::string kSignatureHex =
    "3045022100e30a25e426f7b7812578deb5c7395970308d8225b12355691b5ac298e17c62"
    "7302206ef0445ad20f8b5c0479cf9eb3e4b6be2f62ec3e21c13b77bdfe53ee89ab4457";
const std::string kFingerprint = "sha256:292d9a837ec6513b44e647a41a5516759e45021d5b8d0b7c938e149b4ec2b71b";

const PassphraseSource kNeverAsked = [](const std::string& what) -> Secret {
    FAIL("asked for the passphrase of " + what);
    return {};
};

PassphraseSource says(const std::string& word) {
    return [word](const std::string& /*what*/) { return Secret(word); };
}

SigningKey read(const std::string& pem, const PassphraseSource& passphrase = kNeverAsked) {
    return SigningKey::from_pem(Secret(pem), "some.key", passphrase);
}

/// What reading it throws.
Error failure(const std::string& pem, const PassphraseSource& passphrase = kNeverAsked) {
    try {
        static_cast<void>(read(pem, passphrase));
    } catch (const Error& error) {
        return error;
    }
    FAIL("it was read");
    throw;
}

class Notices final : public Progress {
public:
    void notice(NoticeLevel /*level*/, std::string_view text) noexcept override { said.emplace_back(text); }
    std::vector<std::string> said;
};

}  // namespace

TEST_CASE("signature: a key is read in every form that openssl writes", "[unit][delivery]") {
    for (const char* pem : {kSec1, kPkcs8}) {
        CHECK(read(pem).fingerprint().text() == kFingerprint);
        CHECK(read(pem).public_key() == kPublic);
    }
    for (const char* pem : {kPbkdf2, kScrypt, kLegacy}) {
        CHECK(read(pem, says("hello")).fingerprint().text() == kFingerprint);
    }
    CHECK(read(std::string("a line before\n") + kSec1 + "and one after\n").public_key() == kPublic);
    const SigningKey compressed = read(kCompressed);
    CHECK(verify_signature(kPublic, kSigned, compressed.sign(kSigned), "pub"));
    CHECK(public_key_fingerprint(compressed.public_key(), "pub") == compressed.fingerprint());
}

TEST_CASE("signature: what openssl signed is verified and what is signed here differs each time", "[unit][delivery]") {
    const std::string by_openssl = *from_hex(kSignatureHex);
    CHECK(verify_signature(kPublic, kSigned, by_openssl, "pub"));
    const SigningKey key = read(kSec1);
    const std::string first = key.sign(kSigned);
    CHECK(verify_signature(kPublic, kSigned, first, "pub"));
    CHECK(first != key.sign(kSigned));
    CHECK(verify_signature(kPublic, "", key.sign(""), "pub"));
}

TEST_CASE("signature: one byte more, less or changed is not verified", "[unit][delivery]") {
    const std::string good = *from_hex(kSignatureHex);
    CHECK_FALSE(verify_signature(kPublic, "signed", good, "pub"));
    CHECK_FALSE(verify_signature(kPublic, "signed\n\n", good, "pub"));
    CHECK_FALSE(verify_signature(SigningKey::generate().public_key(), kSigned, good, "pub"));
    CHECK_FALSE(verify_signature(kPublic, kSigned, "", "pub"));
    CHECK_FALSE(verify_signature(kPublic, kSigned, good + '\0', "pub"));
    for (std::size_t at = 0; at < good.size(); ++at) {
        std::string bad = good;
        bad[at] = static_cast<char>(bad[at] ^ 1);
        CHECK_FALSE(verify_signature(kPublic, kSigned, bad, "pub"));
        CHECK_FALSE(verify_signature(kPublic, kSigned, good.substr(0, at), "pub"));
    }
}

TEST_CASE("signature: a new key goes out and comes back, with a passphrase and without", "[unit][delivery]") {
    const SigningKey key = SigningKey::generate();
    const Secret plain = key.private_key(Secret());
    CHECK(plain.reveal().starts_with("-----BEGIN PRIVATE KEY-----\n"));
    CHECK(read(plain.reveal()).fingerprint() == key.fingerprint());
    const Secret sealed = key.private_key(Secret("correct horse"));
    CHECK(sealed.reveal().starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----\n"));
    CHECK(read(sealed.reveal(), says("correct horse")).fingerprint() == key.fingerprint());
    CHECK(SigningKey::generate().fingerprint() != key.fingerprint());
}

TEST_CASE("signature: a wrong passphrase is said to be wrong, and never shown", "[unit][delivery]") {
    for (const char* pem : {kPbkdf2, kScrypt, kLegacy}) {
        for (const std::string word : {"hellO", "", "hello\n"}) {
            const Error error = failure(pem, says(word));
            CHECK(error.code() == ErrorCode::AccessDenied);
            CHECK(std::string(error.what()).find("passphrase of some.key is wrong") != std::string::npos);
            CHECK(std::string(error.what()).find("hell") == std::string::npos);
        }
    }
    CHECK(failure(kPbkdf2, says(std::string(2000, 'x'))).code() == ErrorCode::InvalidInput);
}

TEST_CASE("signature: whoever is asked for a passphrase may refuse", "[unit][delivery]") {
    const PassphraseSource refuses = [](const std::string& what) -> Secret {
        throw Error(ErrorCode::NotFound, "nobody knows that of " + what);
    };
    CHECK(std::string(failure(kPbkdf2, refuses).what()) == "nobody knows that of some.key");
}

TEST_CASE("signature: keys of another kind are named, with what to do", "[unit][delivery]") {
    const std::string cosign =
        "-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\neyJ9\n-----END ENCRYPTED SIGSTORE PRIVATE KEY-----\n";
    const std::string ssh = "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n";
    const std::vector<std::pair<std::string, std::string>> cases = {
        {kRsa, "RSA"},      {kEd25519, "ED25519"}, {kP384, "secp384r1"}, {kExplicit, "spells its curve out"},
        {cosign, "cosign"}, {ssh, "OpenSSH"}};
    for (const auto& [pem, words] : cases) {
        const Error error = failure(pem);
        CHECK(error.code() == ErrorCode::Unsupported);
        CHECK_THAT(error.what(), Catch::Contains(words) && Catch::Contains("some.key"));
        CHECK_FALSE(error.advice().empty());
    }
}

TEST_CASE("signature: what is no private key is refused", "[unit][delivery]") {
    const std::string sec1 = kSec1;
    const std::string key = sec1.substr(sec1.find("-----BEGIN EC PRIVATE"));
    std::string other_half = key;  // the last bytes are the public point's
    other_half[other_half.find("LCUS5")] = 'M';
    for (const std::string& pem :
         {std::string(), std::string("hello"), std::string("-----BEGIN "), std::string("-----BEGIN KEY"),
          sec1.substr(0, sec1.find("-----BEGIN EC PRIVATE")), key.substr(0, key.size() / 2), other_half,
          std::string("-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n"), std::string(kPublic),
          std::string(kMaxKeyFile + 1, 'A')}) {
        CHECK(failure(pem).code() == ErrorCode::InvalidInput);
    }
}

TEST_CASE("signature: what is no public key is refused", "[unit][delivery]") {
    const std::string pub = kPublic;
    for (const std::string& pem :
         {std::string(), std::string(kPkcs8), pub.substr(0, pub.size() / 2), std::string(kMaxKeyFile + 1, 'A'),
          std::string("-----BEGIN PUBLIC KEY-----\nAAAA\n")}) {
        CHECK_THROWS_AS(verify_signature(pem, kSigned, *from_hex(kSignatureHex), "their.pub"), Error);
    }
}

TEST_CASE("signature: a key file that others may read is warned of", "[unit][delivery]") {
    const TempDirectory directory;
    const std::filesystem::path path = directory.path() / "a.key";
    Notices notices;
    Run run;
    run.progress = &notices;
    write_file(path, kSec1, 0600);
    CHECK(SigningKey::load(path, kNeverAsked, run).fingerprint().text() == kFingerprint);
    CHECK(notices.said.empty());
    std::filesystem::permissions(path, std::filesystem::perms::group_read, std::filesystem::perm_options::add);
    CHECK(SigningKey::load(path, kNeverAsked, run).fingerprint().text() == kFingerprint);
    REQUIRE(notices.said.size() == 1);
    CHECK_THAT(notices.said[0], Catch::Contains("a.key") && Catch::Contains("chmod 600"));
    CHECK_THROWS_AS(SigningKey::load(directory.path() / "none", kNeverAsked, run), SystemError);
}
