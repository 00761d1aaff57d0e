#include "cooper/delivery/explain.hpp"

#include "command.hpp"
#include "explain_report.hpp"
#include "image_argument.hpp"

#include <nlohmann/json.hpp>

namespace cooper::cli {

namespace {

constexpr unsigned kMostDifferences = 100'000;

class ExplainCommand final : public Command {
public:
    [[nodiscard]] VerbText text() const override {
        return {
            .name = "explain",
            .summary = "show where two deliveries differ, and why",
            .usage = "A B [FLAGS]",
            .about =
                "Finds why two tarballs that should be the same are not: members of the archives, manifests, configs, "
                "layers\n"
                "and their compression, entries (order, owner, mode, time, attributes, tar dialect), contents; with "
                "the cause\n"
                "of each where one is known, and what to do about it. Archives may come from any tool; images in them "
                "are\n"
                "compared by name, else in order. docker-archive:FILE:NAME means one image of it; A and B may also be "
                "any\n"
                "place that cooper copy reads: then documents and layers are compared. Equal layers are not read.\n"
                "Exit codes: 0 when nothing differs but for what is ignored, 1 when something does or the comparison "
                "failed\n"
                "(then with a message).",
            .examples = {{"why did the sha256 change?", "cooper explain openhands_old.tar openhands_new.tar"},
                         {"is it the same but for times?", "cooper explain a.tar b.tar --ignore-times"},
                         {"look at both sides of what differs",
                          "cooper explain a.tar b.tar --report-dir out && diff -r out/a out/b"}}};
    }

    void declare(CommandLine& line) override {
        line.heading("What to leave out");
        line.toggle("--ignore-times", "times of files, configs, gzip headers, and in .pyc and zip files",
                    options_.ignore_times);
        line.toggle("--ignore-history", "the history in configs", options_.ignore_history);
        line.toggle("--ignore-order", "order of entries, members, pax records, hard links", options_.ignore_order);
        line.toggle("--ignore-names", "names of images", options_.ignore_names);
        line.toggle("--ignore-dialect", "tar dialect, padding, ./ prefixes, JSON spelling, compression",
                    options_.ignore_dialect);
        line.heading("What to show");
        line.parsed("--max", "N", "differences listed per level; the rest is counted (default: 100)",
                    options_.max_differences,
                    [](std::string_view text) { return std::size_t{parse_count(text, 1, kMostDifferences)}; });
        line.value("--report-dir", "DIR", "write both sides of differing files to DIR/a and DIR/b", report_dir_);
        connection_.declare_places(line);
        connection_.declare_network(line);
        output.declare(line);
    }

    void run(const std::vector<std::string>& positionals) override {
        expect_positionals(positionals, 2, 2);
        const oci::PlaceName a = parse_source(positionals[0]), b = parse_source(positionals[1]);
        check_one_login(connection_, {a, b});
        options_.report_dir = report_dir_;
        Session session(output, connection_);
        const auto explanation = delivery::explain(a, b, options_, session.places(), session.run());
        session.finish_progress();
        if (output.json) {
            print_json(explanation_json(explanation));
        } else if (!output.quiet) {
            print(explanation_text(explanation));
        }
        exit_code = explanation.same() ? kExitDone : kExitDiffers;
    }

private:
    delivery::ExplainOptions options_;
    std::string report_dir_;
    ConnectionFlags connection_;
};

}  // namespace

std::unique_ptr<Command> make_explain_command() {
    return std::make_unique<ExplainCommand>();
}

}  // namespace cooper::cli
