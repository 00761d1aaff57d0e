// The flags of verbs that sign, and where a key's passphrase comes from. Never from the command line: others see that.
#pragma once

#include "cooper/base/secret.hpp"
#include "cooper/delivery/signature.hpp"

#include "command_line.hpp"
#include "session.hpp"

#include <memory>
#include <optional>
#include <string>

namespace cooper::cli {

/// --passphrase-file, else COOPER_KEY_PASSWORD, else a question on the terminal.
class PassphraseFlag {
public:
    void declare(CommandLine& line);
    /// For an existing key. Throws UsageError where none can be had.
    [[nodiscard]] Secret ask(const std::string& key, Session& session) const;
    /// For a new one: asked for twice, and not empty.
    [[nodiscard]] Secret choose(const std::string& key, Session& session) const;

private:
    [[nodiscard]] std::optional<Secret> given(const Environment& environment) const;

    std::string file_;
};

/// A private key from a file.
delivery::SigningKey load_key(const std::string& path, const PassphraseFlag& passphrase, Session& session);

struct SigningFlags {
    std::string key;
    PassphraseFlag passphrase;

    void declare(CommandLine& line);
    /// The key of --sign-key or COOPER_SIGN_KEY; nullopt: neither was given, nothing is to be signed. To be called
    /// before any work is done: it may ask, and it may fail.
    [[nodiscard]] std::optional<delivery::SigningKey> load(Session& session) const;
    /// The same; null: nothing is to be signed.
    [[nodiscard]] std::shared_ptr<const delivery::SigningKey> load_shared(Session& session) const;
};

}  // namespace cooper::cli
