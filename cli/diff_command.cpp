#include "cooper/build/diff.hpp"

#include "archive_flags.hpp"
#include "command.hpp"
#include "diff_report.hpp"
#include "image_argument.hpp"

#include <nlohmann/json.hpp>

namespace cooper::cli {

namespace {

class DiffCommand final : public Command {
public:
    [[nodiscard]] VerbText text() const override {
        return {
            .name = "diff",
            .summary = "show what differs between two images",
            .usage = "A B [FLAGS]",
            .about =
                "Compares manifests and configs member by member, layers with their counterparts, and the file "
                "systems that\n"
                "the layers make together, down to owner, mode, time, link, attributes and content. A layer on both "
                "sides is\n"
                "read once; two images with the same digest are not read at all. A and B are places as in cooper "
                "help copy.\n"
                "Exit codes: 0 when nothing differs, 1 when something does or the comparison failed (then with a "
                "message).",
            .examples = {{"is it the same image?", "cooper diff registry.example/app:1 docker-daemon:app:dev"},
                         {"what a rebuild changed, times apart",
                          "cooper diff --ignore-times app-1.tar app-2.tar --json | jq '.files[].path'"}}};
    }

    void declare(CommandLine& line) override {
        line.heading("What to compare");
        line.toggle("--no-layers", "not file by file in each layer, only in the whole", no_layers_);
        line.toggle("--no-files", "no file: manifests, configs and the layers' digests", no_files_);
        line.toggle("--ignore-times", "leave times out, and the digests that follow from them", options_.ignore_times);
        declare_platform(line, platform_);
        connection_.declare_places(line);
        connection_.declare_network(line);
        output.declare(line);
    }

    void run(const std::vector<std::string>& positionals) override {
        expect_positionals(positionals, 2, 2);
        const oci::PlaceName a = parse_source(positionals[0]), b = parse_source(positionals[1]);
        check_one_login(connection_, {a, b});
        options_.layers = !no_layers_ && !no_files_;
        options_.file_system = !no_files_;
        Session session(output, connection_);
        const auto diff = build::diff(open(session, a), open(session, b), options_, session.run());
        session.finish_progress();
        if (output.json) {
            print_json(diff_json_document(diff));
        } else if (!output.quiet) {
            print(diff_text(diff));
        }
        exit_code = diff.same() ? kExitDone : kExitDiffers;
    }

private:
    [[nodiscard]] oci::Image open(Session& session, const oci::PlaceName& place) const {
        const auto opened = oci::open_place(place, platform_, false, session.places(), session.run());
        return oci::image_of(opened.graph, platform_, opened.text, session.run());
    }

    build::DiffOptions options_;
    bool no_layers_ = false;
    bool no_files_ = false;
    std::optional<oci::Platform> platform_;
    ConnectionFlags connection_;
};

}  // namespace

std::unique_ptr<Command> make_diff_command() {
    return std::make_unique<DiffCommand>();
}

}  // namespace cooper::cli
