// Certificates made on the spot, for tests of TLS.
#pragma once

#include <memory>
#include <string>
#include <vector>

namespace cooper::testing {

struct TestCertificate {
    std::string certificate;  ///< PEM
    std::string key;          ///< PEM
};

struct TestCertificateOptions {
    std::string common_name = "test";
    std::vector<std::string> names = {"IP:127.0.0.1", "DNS:localhost"};  ///< as subjectAltName has them
    bool expired = false;
};

/// A certificate authority that nobody knows.
class TestAuthority {
public:
    explicit TestAuthority(const std::string& name = "cooper test authority");
    ~TestAuthority();
    TestAuthority(const TestAuthority&) = delete;
    TestAuthority& operator=(const TestAuthority&) = delete;

    [[nodiscard]] std::string pem() const;
    /// "1a2b3c4d.0", the file name by which OpenSSL finds it in a directory.
    [[nodiscard]] std::string hashed_name() const;
    [[nodiscard]] TestCertificate issue(const TestCertificateOptions& options = {}) const;

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace cooper::testing
