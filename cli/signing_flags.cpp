#include "signing_flags.hpp"

#include "cooper/base/files.hpp"
#include "cooper/base/text.hpp"

#include <fcntl.h>
#include <poll.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

namespace cooper::cli {

namespace {

constexpr std::size_t kMaxPassphrase = 1024;  // as much as OpenSSL takes
constexpr int kStopPollMs = 200;

constexpr const char* kRoads = "set COOPER_KEY_PASSWORD, or give --passphrase-file FILE";

/// The controlling terminal, without echo as long as this lives. Ctrl-C is read as a character that ends the line:
/// a signal could end the process with the echo off.
class QuietTerminal {
public:
    static std::optional<QuietTerminal> open() {
        FileDescriptor file(::open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC));
        struct termios settings {};
        if (!file.valid() || ::tcgetattr(file.get(), &settings) != 0) {
            return std::nullopt;
        }
        return std::optional<QuietTerminal>(QuietTerminal(std::move(file), settings));
    }
    QuietTerminal(QuietTerminal&&) = default;
    QuietTerminal& operator=(QuietTerminal&&) = delete;
    ~QuietTerminal() {
        if (file_.valid()) {
            static_cast<void>(::tcsetattr(file_.get(), TCSAFLUSH, &before_));
        }
    }

    Secret ask(std::string_view question, const Run& run) {
        write(question);
        const Secret line = read_line(run);
        write("\n");
        const std::string_view text = line.reveal();
        if (text.find(kInterrupt) != std::string_view::npos) {
            static_cast<void>(::raise(SIGINT));  // the session notes it, for the exit code
            throw Cancelled();
        }
        return Secret(std::string(text.substr(0, text.find('\n'))));
    }

private:
    static constexpr char kInterrupt = 3;

    QuietTerminal(FileDescriptor file, const struct termios& before) : file_(std::move(file)), before_(before) {
        struct termios quiet = before;
        quiet.c_lflag &= ~static_cast<tcflag_t>(ECHO | ISIG);
        quiet.c_lflag |= ICANON;
        quiet.c_cc[VEOL] = kInterrupt;
        if (::tcsetattr(file_.get(), TCSAFLUSH, &quiet) != 0) {
            throw SystemError("cannot turn off the terminal's echo", errno);
        }
    }

    void write(std::string_view text) const {
        if (::write(file_.get(), text.data(), text.size()) < 0) {
            throw SystemError("cannot write to the terminal", errno);
        }
    }

    /// Line by line, so one read has all of it.
    Secret read_line(const Run& run) const {
        std::string line(kMaxPassphrase + 2, '\0');
        while (true) {
            run.check();
            struct pollfd ready {
                file_.get(), POLLIN, 0
            };
            if (::poll(&ready, 1, kStopPollMs) <= 0) {
                continue;
            }
            const ssize_t count = ::read(file_.get(), line.data(), line.size());
            if (count < 0 && errno == EINTR) {
                continue;
            }
            if (count < 0) {
                throw SystemError("cannot read from the terminal", errno);
            }
            line.resize(static_cast<std::size_t>(count));
            return Secret(std::move(line));
        }
    }

    FileDescriptor file_;
    struct termios before_;
};

Secret checked(Secret passphrase, const std::string& origin) {
    if (passphrase.empty()) {
        throw UsageError(origin + " is empty");
    }
    if (passphrase.reveal().size() > kMaxPassphrase) {
        throw UsageError(origin + " is longer than " + std::to_string(kMaxPassphrase) + " bytes");
    }
    return passphrase;
}

}  // namespace

void PassphraseFlag::declare(CommandLine& line) {
    line.value("--passphrase-file", "FILE",
               "its first line opens the key; default: COOPER_KEY_PASSWORD, else asked for", file_);
}

std::optional<Secret> PassphraseFlag::given(const Environment& environment) const {
    if (!file_.empty()) {
        const Secret text(read_file(file_, 64 * 1024));
        std::string_view line(text.reveal());
        line = line.substr(0, line.find('\n'));
        if (line.ends_with('\r')) {
            line.remove_suffix(1);
        }
        return checked(Secret(std::string(line)), "--passphrase-file " + file_);
    }
    if (auto value = environment.get("COOPER_KEY_PASSWORD")) {
        return checked(Secret(std::move(*value)), "COOPER_KEY_PASSWORD");
    }
    return std::nullopt;
}

Secret PassphraseFlag::ask(const std::string& key, Session& session) const {
    if (auto secret = given(session.environment())) {
        return std::move(*secret);
    }
    if (auto terminal = QuietTerminal::open()) {
        return terminal->ask("Passphrase of " + printable(key) + ": ", session.run());
    }
    throw UsageError(key + " is encrypted, and there is no terminal to ask for its passphrase", kRoads);
}

Secret PassphraseFlag::choose(const std::string& key, Session& session) const {
    if (auto secret = given(session.environment())) {
        return std::move(*secret);
    }
    auto terminal = QuietTerminal::open();
    if (!terminal) {
        throw UsageError("there is no terminal to ask for the passphrase of the new key",
                         std::string(kRoads) + ", or --no-passphrase for a key that anybody can use who has the file");
    }
    Secret first = terminal->ask("Passphrase for " + printable(key) + ": ", session.run());
    if (first.empty()) {
        throw UsageError("the passphrase is empty", "--no-passphrase makes a key without one");
    }
    if (terminal->ask("Once more: ", session.run()) != first) {
        throw UsageError("the two passphrases differ: no key was made");
    }
    return first;
}

delivery::SigningKey load_key(const std::string& path, const PassphraseFlag& passphrase, Session& session) {
    return delivery::SigningKey::load(
        path, [&](const std::string& key) { return passphrase.ask(key, session); }, session.run());
}

void SigningFlags::declare(CommandLine& line) {
    line.heading("Signature");
    line.value("--sign-key", "FILE", "sign SHA256SUMS with this ECDSA P-256 key (PEM); default: COOPER_SIGN_KEY", key);
    passphrase.declare(line);
}

std::optional<delivery::SigningKey> SigningFlags::load(Session& session) const {
    const std::string path = !key.empty() ? key : session.environment().get("COOPER_SIGN_KEY").value_or("");
    if (path.empty()) {
        return std::nullopt;
    }
    return load_key(path, passphrase, session);
}

std::shared_ptr<const delivery::SigningKey> SigningFlags::load_shared(Session& session) const {
    auto loaded = load(session);
    return loaded ? std::make_shared<const delivery::SigningKey>(std::move(*loaded)) : nullptr;
}

}  // namespace cooper::cli
