// cooper keys generate, public, fingerprint: the keys that deliveries are signed with.
#include "cooper/base/files.hpp"
#include "cooper/delivery/signature.hpp"

#include "command.hpp"
#include "session.hpp"
#include "signing_flags.hpp"

#include <nlohmann/json.hpp>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

namespace cooper::cli {

namespace {

namespace fs = std::filesystem;

constexpr std::uint32_t kOwnerOnly = 0600;
constexpr std::uint32_t kEverybody = 0644;

class GenerateCommand final : public Command {
public:
    [[nodiscard]] VerbText text() const override {
        return {
            .name = "keys generate",
            .summary = "make a key to sign deliveries with",
            .usage = "[-o FILE] [FLAGS]",
            .about =
                "Writes an ECDSA P-256 key as PKCS#8 PEM, encrypted with a passphrase, that only its owner can read,\n"
                "and its public half beside it (cooper.pub). Prints the fingerprint, which customers need by another\n"
                "road than the deliveries. Never overwrites a file.",
            .examples = {{"asks for a passphrase", "cooper keys generate"},
                         {"for a CI secret, without one",
                          "cooper keys generate --no-passphrase -o ci.key && gh secret set SIGN_KEY < ci.key"}}};
    }

    void declare(CommandLine& line) override {
        line.heading("Key");
        line.value("-o, --output", "FILE",
                   "the private key; default: cooper.key. Its public half: FILE less .key, .pub", path_);
        line.toggle("--no-passphrase", "not encrypted: whoever has the file can sign", no_passphrase_);
        passphrase_.declare(line);
        output.declare(line);
    }

    void run(const std::vector<std::string>& positionals) override {
        expect_positionals(positionals, 0, 0);
        const std::string public_path =
            (path_.ends_with(".key") ? path_.substr(0, path_.size() - std::string_view(".key").size()) : path_) +
            ".pub";
        refuse_existing(path_);
        refuse_existing(public_path);
        Session session(output, connection_);
        const Secret passphrase = no_passphrase_ ? Secret() : passphrase_.choose(path_, session);
        const auto key = delivery::SigningKey::generate();
        write_both(key, passphrase, public_path);
        report(session, key, public_path);
    }

private:
    static void refuse_existing(const std::string& path) {
        std::error_code ignored;
        if (fs::exists(fs::symlink_status(path, ignored))) {
            Error error(ErrorCode::Conflict, path + " is there already, and a key that is lost cannot be made again");
            error.advise("-o FILE writes another one");
            throw error;
        }
    }

    void write_both(const delivery::SigningKey& key, const Secret& passphrase, const std::string& public_path) const {
        AtomicFile private_file(path_, kOwnerOnly);
        private_file.write(as_bytes(key.private_key(passphrase).reveal()));
        // What is signed with it will be out for years: it must not be lost with the power.
        if (::fsync(private_file.descriptor()) != 0) {
            throw SystemError("cannot write " + path_ + " to disk", errno);
        }
        AtomicFile public_file(public_path, kEverybody);
        public_file.write(as_bytes(key.public_key()));
        private_file.commit(AtomicFile::IfExists::Fail);
        try {
            public_file.commit(AtomicFile::IfExists::Fail);
        } catch (const Error&) {
            std::error_code ignored;
            fs::remove(path_, ignored);
            throw;
        }
    }

    void report(Session& session, const delivery::SigningKey& key, const std::string& public_path) const {
        if (output.json) {
            print_json({{"key", path_},
                        {"encrypted", !no_passphrase_},
                        {"public_key", public_path},
                        {"fingerprint", key.fingerprint().text()}});
            return;
        }
        print(aligned({{"key", path_ + (no_passphrase_ ? "  (not encrypted)" : "  (encrypted)")},
                       {"public key", public_path},
                       {"fingerprint", key.fingerprint().text()}}));
        session.note(
            "Send the fingerprint to your customers by another road than the deliveries (a letter, a call):\n"
            "whoever can replace a tarball can replace the public key beside it. Keep the key safe, and a copy.");
    }

    std::string path_ = "cooper.key";
    bool no_passphrase_ = false;
    PassphraseFlag passphrase_;
    ConnectionFlags connection_;
};

class PublicCommand final : public Command {
public:
    [[nodiscard]] VerbText text() const override {
        return {.name = "keys public",
                .summary = "print the public half of a key",
                .usage = "KEY [FLAGS]",
                .about = "Prints the public key as PEM, as customers need it to verify signatures.",
                .examples = {{"beside the deliveries", "cooper keys public cooper.key > cooper.pub"}}};
    }

    void declare(CommandLine& line) override {
        line.heading("Key");
        passphrase_.declare(line);
        output.declare(line);
    }

    void run(const std::vector<std::string>& positionals) override {
        expect_positionals(positionals, 1, 1);
        Session session(output, connection_);
        const auto key = load_key(positionals[0], passphrase_, session);
        session.finish_progress();
        if (output.json) {
            print_json({{"public_key", key.public_key()}, {"fingerprint", key.fingerprint().text()}});
            return;
        }
        print(key.public_key());
    }

private:
    PassphraseFlag passphrase_;
    ConnectionFlags connection_;
};

class FingerprintCommand final : public Command {
public:
    [[nodiscard]] VerbText text() const override {
        return {.name = "keys fingerprint",
                .summary = "print the fingerprint of a private or public key",
                .usage = "KEY_OR_PUBLIC_KEY [FLAGS]",
                .about =
                    "Prints the SHA-256 of the public key's DER, the same as\n"
                    "  openssl pkey -pubin -in cooper.pub -outform DER | openssl dgst -sha256",
                .examples = {{"to read it out on the telephone", "cooper keys fingerprint cooper.pub"}}};
    }

    void declare(CommandLine& line) override {
        line.heading("Key");
        passphrase_.declare(line);
        output.declare(line);
    }

    void run(const std::vector<std::string>& positionals) override {
        expect_positionals(positionals, 1, 1);
        Session session(output, connection_);
        const std::string& path = positionals[0];
        const Secret pem(read_file(path, delivery::kMaxKeyFile));
        const bool is_public = pem.reveal().find("-----BEGIN PUBLIC KEY-----") != std::string::npos;
        const Digest fingerprint = is_public ? delivery::public_key_fingerprint(pem.reveal(), path)
                                             : load_key(path, passphrase_, session).fingerprint();
        session.finish_progress();
        if (output.json) {
            print_json({{"fingerprint", fingerprint.text()}});
            return;
        }
        print(fingerprint.text() + "\n");
    }

private:
    PassphraseFlag passphrase_;
    ConnectionFlags connection_;
};

}  // namespace

std::unique_ptr<Command> make_keys_generate_command() {
    return std::make_unique<GenerateCommand>();
}
std::unique_ptr<Command> make_keys_public_command() {
    return std::make_unique<PublicCommand>();
}
std::unique_ptr<Command> make_keys_fingerprint_command() {
    return std::make_unique<FingerprintCommand>();
}

}  // namespace cooper::cli
