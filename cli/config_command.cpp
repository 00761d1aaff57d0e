#include "cooper/build/edit.hpp"

#include "edit_command.hpp"
#include "edit_values.hpp"

namespace cooper::cli {

namespace {

std::optional<std::string> text_value(std::string_view text) {
    return std::string(text);
}

/// '["curl", "-f"]' runs the program, anything else a shell.
std::vector<std::string> parse_health_command(std::string_view text) {
    if (!text.starts_with('[')) {
        return {"CMD-SHELL", std::string(text)};
    }
    std::vector<std::string> words{"CMD"};
    for (std::string& word : parse_words(text)) {
        words.push_back(std::move(word));
    }
    return words;
}

class ConfigCommand final : public EditCommand {
public:
    [[nodiscard]] VerbText text() const override {
        return {
            .name = "config",
            .summary = "change an image's environment, command, labels and the like",
            .usage = "SOURCE DESTINATION [FLAGS]",
            .about =
                "Layers, annotations and all that is not named stay as they are, byte for byte; the history gets one "
                "entry,\n"
                "without values. An edit that changes nothing keeps every digest. SOURCE and DESTINATION are places as "
                "in\n"
                "cooper help copy. Values are written as for docker; an empty one takes the setting away.",
            .examples = {
                {"a variable and a label, in a registry",
                 "cooper config registry.example/app:1 registry.example/app:1-eu --env REGION=eu --label tier=web"},
                {"another user, a port and a health check",
                 "cooper config oci:./app docker-daemon:app:dev --user 1000 --expose 8080 --health-cmd 'curl -f "
                 "localhost'"}}};
    }

    void declare(CommandLine& line) override {
        line.heading("Config");
        line.values("--env", "KEY=VALUE", "set a variable; repeatable", env_);
        line.values("--unset-env", "KEY", "take a variable away; repeatable", edit_.unset_env);
        line.parsed("--entrypoint", "JSON|WORD", "'[\"/app\",\"serve\"]' or /app; resets the command", edit_.entrypoint,
                    parse_words);
        line.toggle("--reset-entrypoint", "no entrypoint", edit_.reset_entrypoint);
        line.parsed("--cmd", "JSON|WORD", "the command, or the entrypoint's arguments", edit_.cmd, parse_words);
        line.toggle("--reset-cmd", "no command", edit_.reset_cmd);
        line.parsed("--workdir", "PATH", "where the command runs", edit_.workdir, text_value);
        line.parsed("--user", "USER", "USER, UID, USER:GROUP", edit_.user, text_value);
        line.values("--label", "KEY=VALUE", "set a label; repeatable", labels_);
        line.values("--unset-label", "KEY", "take a label away; repeatable", edit_.unset_labels);
        line.values("--expose", "PORT[/PROTO]", "80, 53/udp, 8000-8010; repeatable", edit_.ports);
        line.values("--unset-port", "PORT[/PROTO]", "take a port away; repeatable", edit_.unset_ports);
        line.values("--volume", "PATH", "a volume; repeatable", edit_.volumes);
        line.values("--unset-volume", "PATH", "take a volume away; repeatable", edit_.unset_volumes);
        line.parsed("--stop-signal", "SIGNAL", "SIGTERM, 15, RTMIN+3", edit_.stop_signal, text_value);
        line.parsed("--author", "TEXT", "who made it", edit_.author, text_value);
        line.parsed("--created", "TIME", "RFC 3339, seconds, or epoch; default: as it is", edit_.created, parse_time);
        declare_health(line);
        declare_edit(line);
    }

    void run(const std::vector<std::string>& positionals) override {
        expect_positionals(positionals, 2, 2);
        const Places places = parse_places(positionals);
        complete();
        Session session(output, connection_);
        edit_.edit_time = source_date_epoch(session.environment());
        edit_images(session, places, [&](const oci::Image& image) { return build::edit_config(image, edit_); });
    }

private:
    void declare_health(CommandLine& line) {
        const auto duration = [](std::string_view text) { return build::parse_go_duration(text); };
        line.heading("Health check");
        line.parsed("--health-cmd", "TEXT|JSON", "a shell's command, or words", health_.test, parse_health_command);
        line.parsed("--health-interval", "TIME", "30s, 1m30s, 500ms", health_.interval, duration);
        line.parsed("--health-timeout", "TIME", "of one run", health_.timeout, duration);
        line.parsed("--health-start-period", "TIME", "failures do not count so long", health_.start_period, duration);
        line.parsed("--health-start-interval", "TIME", "between runs in the start period", health_.start_interval,
                    duration);
        line.parsed("--health-retries", "N", "failures in a row that count", health_.retries,
                    [](std::string_view text) { return parse_count(text, 0, 1'000'000); });
        line.toggle("--no-healthcheck", "none, whatever the base says", no_healthcheck_);
        line.toggle("--reset-healthcheck", "as the base says", edit_.reset_healthcheck);
    }

    void complete() {
        edit_.env = parse_pairs(env_, "--env");
        edit_.labels = parse_pairs(labels_, "--label");
        if (no_healthcheck_) {
            if (health_ != build::HealthcheckEdit{}) {
                throw UsageError("--no-healthcheck excludes the other --health flags");
            }
            health_.test = {"NONE"};
        }
        if (health_ != build::HealthcheckEdit{}) {
            edit_.healthcheck = health_;
        }
        // What the flags say is checked before anything is opened.
        as_usage("config", [&] {
            static_cast<void>(build::edit_config(build::scratch_image({"linux", "amd64", ""}), edit_));
        });
    }

    build::ConfigEdit edit_;
    build::HealthcheckEdit health_;
    bool no_healthcheck_ = false;
    std::vector<std::string> env_;
    std::vector<std::string> labels_;
};

}  // namespace

std::unique_ptr<Command> make_config_command() {
    return std::make_unique<ConfigCommand>();
}

}  // namespace cooper::cli
