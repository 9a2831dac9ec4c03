// SPDX-License-Identifier: Apache-2.0
//
// The rows, in the order in which the template and the reference page show them: by first word,
// what newcomers touch first. A default is what a shop of any size can live with; nothing must be
// set. HEED_LANG is the variable of `lang`, and so on for every row.
//
// Signals: what an event says of a liking. A purchase says more than a cart, a cart more than a
// view; returns and dislikes say nothing for the item and are left out of the models (weight ≤ 0).
#include "workspace/settings.h"

#include <math.h>

static const char *const lang_choices[] = {"auto", "en", "zh", NULL};
static const char *const level_choices[] = {"debug", "info", "warn", "error", "off", NULL};
static const char *const encrypt_choices[] = {"on", "off", NULL};
static const char *const priority_choices[] = {"idle", "low", NULL};
static const char *const text_choices[] = {"keep", "redact", "tokenize", NULL};
static const char *const basis_choices[] = {"legitimate_interest", "consent", NULL};
static const char *const format_choices[] = {"logfmt", "json", NULL};

#define GIGABYTES (1024.0 * 1024.0 * 1024.0)

#define RETENTION(kind, en, zh)                                                              \
    {                                                                                        \
        "retention." kind, HD_SETTING_INT, "0", 0, 36500,                                    \
            .doc = HD_TEXT("days that " en                                                   \
                           " are kept before `heed privacy retain` removes them; 0: for "    \
                           "ever",                                                           \
                           zh "保留的天数，此后由 heed privacy retain 删除；0 表示一直保留") \
    }
#define BASIS(purpose, en, zh)                                                                                        \
    {                                                                                                                 \
        "privacy.basis." purpose, HD_SETTING_CHOICE, "legitimate_interest",                                           \
            .choices = basis_choices,                                                                                 \
            .doc =                                                                                                    \
                HD_TEXT("legal basis of " en ": legitimate_interest (who objects is out) or "                         \
                        "consent (who consents is in)",                                                               \
                        zh "的法律依据：legitimate_interest 正当利益（反对者除外），consent 同意" \
                           "（仅限同意者）")                                                                          \
    }

const hd_setting hd_settings_rows[] = {
    {"lang", HD_SETTING_CHOICE, "auto", .choices = lang_choices,
     .doc = HD_TEXT("language of messages and texts; auto follows the system's",
                    "消息与文字的语言；auto 表示跟随系统")},
    {"time.zone", HD_SETTING_TEXT, "UTC",
     .doc = HD_TEXT(
         "zone of times without one, and of days and hours in reports: UTC, +08:00, "
         "Asia/Shanghai",
         "不带时区的时间所用的时区，也是报告中日期与钟点的时区：UTC、+08:00、Asia/Shanghai")},
    {"currency", HD_SETTING_TEXT, "",
     .doc = HD_TEXT("currency of amounts without one, as three letters (CNY)",
                    "未注明币种的金额所用的币种，三个字母（CNY）")},
    {"threads", HD_SETTING_INT, "0", 0, 1024,
     .doc = HD_TEXT("threads that work at once; 0: one per processor",
                    "同时工作的线程数；0 表示每个处理器一个")},
    {"memory.limit", HD_SETTING_SIZE, "0", 0, 1024 * GIGABYTES, .at_start = true,
     .doc =
         HD_TEXT("memory heed may use before it refuses politely (2GB); 0: seven eighths of the "
                 "machine's, or of its container's",
                 "heed 可用的内存上限，到达后会礼貌地拒绝（2GB）；0 表示本机或容器内存的八分之七")},
    {"store.cache", HD_SETTING_SIZE, "64MB", 1 << 20, 64 * GIGABYTES,
     .doc = HD_TEXT("page cache of the database", "数据库的页缓存")},
    {"log.level", HD_SETTING_CHOICE, "warn", .choices = level_choices, .at_start = true,
     .doc = HD_TEXT("least level that is logged to stderr", "写到标准错误的最低日志级别")},
    {"log.format", HD_SETTING_CHOICE, "logfmt", .choices = format_choices, .at_start = true,
     .doc = HD_TEXT("form of log lines", "日志行的格式")},
    {"import.max_line", HD_SETTING_SIZE, "16MB", 1024, 1 * GIGABYTES,
     .doc = HD_TEXT("longest line that import takes", "导入时允许的最长行")},
    {"import.max_rejects_shown", HD_SETTING_INT, "5", 0, 1000,
     .doc = HD_TEXT("rejected rows shown with their reasons; all stand in the reject file",
                    "显示多少条被拒绝的行及原因；全部都写在拒绝文件里")},
    {"import.keep_rejects_days", HD_SETTING_INT, "30", 0, 3650,
     .doc = HD_TEXT("days after which reject files are removed; 0: never",
                    "拒绝文件保留的天数；0 表示不删除")},
    {"keys.folder", HD_SETTING_TEXT, "",
     .doc =
         HD_TEXT("folder in which each workspace has a folder of its name with its keys; empty: "
                 "keys/ in the workspace",
                 "存放各工作区密钥的文件夹，每个工作区在其中有一个同名文件夹；为空则用工作区内的 "
                 "keys/")},
    {"keys.passphrase_file", HD_SETTING_TEXT, "",
     .doc = HD_TEXT("file whose first line is the passphrase of the keys; empty: HEED_PASSPHRASE, "
                    "or asked for",
                    "第一行是密钥口令的文件；为空则用 HEED_PASSPHRASE，或询问")},
    {"privacy.encrypt", HD_SETTING_CHOICE, "on", .choices = encrypt_choices,
     .doc =
         HD_TEXT("seal ids, attributes and free text of persons with keys of their own; what was "
                 "written before a change follows with `heed privacy seal`",
                 "用每个人自己的密钥加密其 id、属性和文字；改动之前写入的内容用 heed privacy seal "
                 "跟进")},
    {"privacy.text", HD_SETTING_CHOICE, "keep", .choices = text_choices,
     .doc =
         HD_TEXT("personal data in the free text of reviews and tickets, as it is imported: keep "
                 "it, redact it, or tokenize it so that the keys can turn it back",
                 "导入时评论和工单文字中的个人信息：keep 保留，redact 去除，"
                 "tokenize 换成可用密钥还原的标记")},
    {"privacy.attributes", HD_SETTING_CHOICE, "keep", .choices = text_choices,
     .doc = HD_TEXT("the same in users' attributes and events' properties",
                    "用户属性和事件属性中的个人信息，取值同上")},
    BASIS("recommend", "recommending", "推荐"),
    BASIS("profile", "profiling", "画像"),
    BASIS("need", "finding needs", "需求分析"),
    BASIS("assist", "assisting", "智能客服"),
    BASIS("train", "training and evaluating models", "训练与评估模型"),
    BASIS("support", "support by people", "人工支持"),
    BASIS("experiment", "experiments", "实验"),
    RETENTION("events", "events", "事件"),
    RETENTION("reviews", "reviews", "评论"),
    RETENTION("tickets", "tickets and their messages", "工单及其消息"),
    RETENTION("users", "persons of whom nothing newer is known", "没有更新动态的用户"),
    {"clean.duplicates", HD_SETTING_BOOL, "true",
     .doc = HD_TEXT("leave repeats of one event out of training", "训练时去掉重复的事件")},
    {"clean.duplicate_window", HD_SETTING_INT, "1000", 0, 86400000,
     .doc = HD_TEXT("milliseconds within which the same act counts as a repeat",
                    "多少毫秒之内的相同行为算作重复")},
    {"clean.robots", HD_SETTING_BOOL, "true",
     .doc = HD_TEXT("leave users who act faster than people out of training",
                    "训练时去掉行为快得不像人的用户")},
    {"clean.robot_rate", HD_SETTING_FLOAT, "600", 1, 1e9,
     .doc = HD_TEXT("events within an hour that no person makes", "一小时内人做不到的事件数")},
    {"clean.robot_mads", HD_SETTING_FLOAT, "10", 0, 1e6,
     .doc = HD_TEXT("how far above the median a robot's busiest hour lies, in median deviations",
                    "机器人最忙的一小时高出中位数多少个绝对中位差")},
    {"recommend.method", HD_SETTING_TEXT, "auto",
     .doc = HD_TEXT("method that answers; auto: the one that `heed train` or `heed model activate` "
                    "put in force",
                    "用来回答的方法；auto 表示 heed train 或 heed model activate 启用的那一个")},
    {"recommend.n", HD_SETTING_INT, "10", 1, 1000,
     .doc = HD_TEXT("items in a recommendation", "一次推荐多少件商品")},
    {"recommend.signals", HD_SETTING_WEIGHTS,
     "view=1,click=1,cart=3,purchase=5,rating=1,like=3,favorite=3,share=2,other=1,return=0,"
     "cancel=0,dislike=0,uncart=0,unfavorite=0,impression=0,adjustment=0,search=0,page=0,signup=0,"
     "login=0",
     .doc = HD_TEXT("what each type of event says of a liking; 0 or less: not learned from",
                    "每种事件代表多少喜好；0 或更小表示不从中学习")},
    {"recommend.min_rating", HD_SETTING_FLOAT, "0", -1e9, 1e9,
     .doc = HD_TEXT("least rating that counts as a liking", "评分达到多少才算喜欢")},
    {"recommend.history", HD_SETTING_INT, "5000", 0, 1000000000,
     .doc =
         HD_TEXT("events of a user that are read for an answer, the newest; what was seen before "
                 "them isn't left out any more; 0: all",
                 "每次推荐读取用户最近的多少条事件；更早见过的商品不再排除；0 表示全部")},
    {"recommend.cache", HD_SETTING_SIZE, "48MB", 0, 1024 * GIGABYTES,
     .doc =
         HD_TEXT("memory in which each thread of a server keeps the histories of users who asked "
                 "lately; 0: none",
                 "服务器每个线程用于保留近期请求用户历史的内存；0 表示不保留")},
    {"recommend.exclude_seen", HD_SETTING_BOOL, "true",
     .doc = HD_TEXT("leave out what the user had already, replenishable items aside",
                    "不再推荐用户已接触过的商品（可复购的除外）")},
    {"recommend.cap_per_category", HD_SETTING_INT, "0", 0, 1000,
     .doc = HD_TEXT("most items of one category in a recommendation; 0: no cap",
                    "一次推荐中同一类别最多几件；0 表示不限")},
    {"recommend.half_life", HD_SETTING_FLOAT, "7", 0.01, 36500,
     .doc = HD_TEXT("days after which an event counts half for what is trending",
                    "计算热门趋势时，一个事件的分量经过多少天减半")},
    {"train.methods", HD_SETTING_TEXT, "all",
     .doc = HD_TEXT("methods that `heed train` tries, separated by commas",
                    "heed train 尝试的方法，用逗号分隔")},
    {"train.tune", HD_SETTING_BOOL, "true",
     .doc = HD_TEXT("choose each method's parameters on a validation split; false: only the method",
                    "在验证集上为每种方法选择参数；false 表示只选择方法")},
    {"train.seed", HD_SETTING_INT, "42", 0, 9007199254740991.0,
     .doc = HD_TEXT("seed of everything random: same seed and data, same model",
                    "所有随机数的种子：种子和数据相同，模型就相同")},
    {"train.keep", HD_SETTING_INT, "3", 1, 100,
     .doc = HD_TEXT("versions of a model that are kept to go back to",
                    "保留多少个可以退回的模型版本")},
    {"recipe.folder", HD_SETTING_TEXT, "",
     .doc = HD_TEXT("folder with recipes of one's own, found by name",
                    "存放自己的配方的文件夹，可按名称使用")},
    {"recipe.data", HD_SETTING_TEXT, "",
     .doc = HD_TEXT("folder where recipes find data that doesn't stand beside them",
                    "配方的数据不在其旁边时，到此文件夹中查找")},
    {"jobs.threads", HD_SETTING_INT, "0", 0, 1024,
     .doc = HD_TEXT("threads of a job that a server runs; 0: half of the processors",
                    "服务器运行的任务所用的线程数；0 表示处理器的一半")},
    {"jobs.priority", HD_SETTING_CHOICE, "idle", .choices = priority_choices,
     .doc = HD_TEXT(
         "what a job of a server gets of the processors: idle: what nothing else wants; "
         "low: a small share always, where others keep the machine busy",
         "服务器运行的任务的处理器份额：idle 只用空闲；low 始终占一小份，适合常年繁忙的机器")},
    {"jobs.memory", HD_SETTING_SIZE, "0", 0, 1024 * GIGABYTES,
     .doc = HD_TEXT("memory that a job of a server may use (4GB); 0: as memory.limit says",
                    "服务器运行的任务可用的内存（4GB）；0 表示按 memory.limit")},
    {"jobs.keep", HD_SETTING_INT, "100", 1, 10000, .at_start = true,
     .doc = HD_TEXT("jobs that have ended and are kept to look at", "保留多少个已结束的任务")},
    {"jobs.keep_days", HD_SETTING_INT, "30", 0, 3650, .at_start = true,
     .doc = HD_TEXT("days after which jobs that have ended are removed; 0: never",
                    "已结束的任务保留的天数；0 表示不按天数删除")},
    {"serve.listen", HD_SETTING_TEXT, "127.0.0.1:8080", .at_start = true,
     .doc = HD_TEXT("address and port that `heed serve` listens on; port 0: one that is free",
                    "heed serve 监听的地址和端口；端口 0 表示任选一个空闲端口")},
    {"serve.loops", HD_SETTING_INT, "0", 0, 64, .at_start = true,
     .doc = HD_TEXT("threads that talk to clients; 0: one per processor, 8 at most",
                    "与客户端通信的线程数；0 表示每个处理器一个，最多 8 个")},
    {"serve.workers", HD_SETTING_INT, "2", 1, 64, .at_start = true,
     .doc = HD_TEXT("threads for requests that take long", "处理耗时请求的线程数")},
    {"serve.max_connections", HD_SETTING_INT, "4096", 1, 1000000, .at_start = true,
     .doc = HD_TEXT("connections at once; the one that waited longest makes room",
                    "同时的连接数；超出时，等待最久的连接会让位")},
    {"serve.max_per_address", HD_SETTING_INT, "0", 0, 1000000, .at_start = true,
     .doc = HD_TEXT("connections of one address; 0: no limit", "同一地址的连接数；0 表示不限")},
    {"serve.max_body", HD_SETTING_SIZE, "16MB", 1024, 1 * GIGABYTES, .at_start = true,
     .doc = HD_TEXT("largest body of a request", "请求体的最大长度")},
    {"serve.max_upload", HD_SETTING_SIZE, "10GB", 1024, 1024 * GIGABYTES, .at_start = true,
     .doc = HD_TEXT("largest file that is sent to be imported", "通过请求上传导入的最大文件")},
    {"serve.max_waiting", HD_SETTING_INT, "1024", 1, 1000000, .at_start = true,
     .doc = HD_TEXT("writes that may wait for the disk before others are asked to come back",
                    "等待写入磁盘的请求数上限，超过则请客户端稍后再来")},
    {"serve.rate", HD_SETTING_FLOAT, "0", 0, 1e6, .at_start = true,
     .doc = HD_TEXT("requests a second of an API key that has no rate of its own; 0: no limit",
                    "未单独设置速率的 API 密钥每秒的请求数；0 表示不限")},
    {"serve.burst", HD_SETTING_FLOAT, "0", 0, 1e6, .at_start = true,
     .doc = HD_TEXT("requests of such a key that may come at once; 0: those of a second",
                    "这类密钥允许同时到达的请求数；0 表示一秒的量")},
    {"serve.rate_address", HD_SETTING_FLOAT, "0", 0, 1e6, .at_start = true,
     .doc = HD_TEXT("requests a second of one address (IPv6: one /64), whatever the key; 0: no "
                    "limit, as behind a proxy, where all have one address",
                    "同一地址（IPv6 为一个 /64 网段）每秒的请求数，不论密钥；0 表示不限，"
                    "位于代理之后、所有人地址相同时应如此")},
    {"serve.burst_address", HD_SETTING_FLOAT, "0", 0, 1e6, .at_start = true,
     .doc = HD_TEXT("requests of one address that may come at once; 0: those of a second",
                    "同一地址允许同时到达的请求数；0 表示一秒的量")},
    {"serve.failures", HD_SETTING_INT, "10", 0, 1000000, .at_start = true,
     .doc = HD_TEXT("failed sign-ins a minute of one address that are answered; more are turned "
                    "away with 429; 0: no limit",
                    "同一地址每分钟允许的登录失败次数，超出则以 429 拒绝；0 表示不限")},
    {"serve.clients", HD_SETTING_INT, "65536", 16, 16777216, .at_start = true,
     .doc = HD_TEXT("addresses whose rates are remembered at once, 48 bytes each",
                    "同时记住多少个地址的速率，每个 48 字节")},
    {"serve.head_timeout", HD_SETTING_INT, "10", 1, 3600, .at_start = true,
     .doc = HD_TEXT("seconds for a request's head, and for a TLS handshake",
                    "接收请求头以及 TLS 握手的秒数上限")},
    {"serve.body_timeout", HD_SETTING_INT, "30", 1, 86400, .at_start = true,
     .doc = HD_TEXT("seconds for each 256 KiB of a body or an answer",
                    "请求体或应答每 256 KiB 的秒数上限")},
    {"serve.idle_timeout", HD_SETTING_INT, "60", 1, 86400, .at_start = true,
     .doc = HD_TEXT("seconds that a connection may be quiet between requests",
                    "两次请求之间连接可空闲的秒数")},
    {"serve.drain", HD_SETTING_INT, "10", 0, 3600, .at_start = true,
     .doc = HD_TEXT("seconds that requests have to end when the server is asked to",
                    "服务器收到结束信号后，留给未完成请求的秒数")},
    {"serve.tls_certificate", HD_SETTING_TEXT, "", .at_start = true,
     .doc = HD_TEXT("certificate chain (PEM file); with serve.tls_key: TLS",
                    "证书链（PEM 文件）；与 serve.tls_key 一起启用 TLS")},
    {"serve.tls_key", HD_SETTING_TEXT, "", .at_start = true,
     .doc = HD_TEXT("private key of the certificate (PEM file)", "证书的私钥（PEM 文件）")},
    {"profile.segments", HD_SETTING_INT, "0", 0, 64,
     .doc = HD_TEXT("user segments; 0: as many as the data shows (2 to 8)",
                    "用户分群的数目；0 表示由数据决定（2 到 8 个）")},
};
const size_t hd_settings_n_rows = sizeof hd_settings_rows / sizeof hd_settings_rows[0];

// "view=1,cart=3" as the indented lines of a mapping, each behind a '#'.
static void template_weights(const char *initial, hd_str *out) {
    while (*initial) {
        size_t n = strcspn(initial, ",");
        size_t eq = strcspn(initial, "=");
        hd_str_addf(out, "#    %.*s: %.*s\n", (int)eq, initial, (int)(n - eq - 1),
                    initial + eq + 1);
        initial += n + (initial[n] == ',');
    }
}

heed_err hd_settings_template(heed_lang lang, hd_str *out) {
    hd_str_add(out,
               lang == HEED_ZH
                   ? "# heed 的设置。每一项都有默认值，空文件也有效；去掉行首的 # 再改。\n"
                     "# 现在生效的值及其来源：heed config show --origin\n"
                   : "# Settings of heed. Every key has a default, so an empty file is valid; "
                     "take the # away to change one.\n"
                     "# Values in force and where they come from: heed config show --origin\n");
    const char *group = "";
    size_t group_len = 0;
    for (size_t i = 0; i < hd_settings_n_rows; i++) {
        const hd_setting *row = &hd_settings_rows[i];
        const char *dot = strchr(row->name, '.');
        const char *indent = dot ? "  " : "";
        size_t len = dot ? (size_t)(dot - row->name) : 0;
        if (dot && (len != group_len || strncmp(group, row->name, len) != 0))
            hd_str_addf(out, "\n#%.*s:\n", (int)len, row->name);
        group = row->name;
        group_len = len;
        if (!dot) hd_str_addc(out, '\n');
        hd_str_addf(out, "%s# %s\n", dot ? "#  " : "", hd_text_get(row->doc, lang));
        const char *key = dot ? dot + 1 : row->name;
        if (row->type == HD_SETTING_WEIGHTS) {
            hd_str_addf(out, "#%s%s:\n", indent, key);
            template_weights(row->initial, out);
        } else {
            hd_str_addf(out, "#%s%s: %s\n", indent, key, row->initial[0] ? row->initial : "\"\"");
        }
    }
    return hd_str_check(out);
}

void hd_signal_rules_init(hd_signal_rules *rules, const hd_settings *settings) {
    *rules = (hd_signal_rules){.settings = settings, .other = 1};
    rules->min_rating = hd_settings_float(settings, "recommend.min_rating");
    double other;
    if (hd_settings_weight(settings, "recommend.signals", "other", &other)) rules->other = other;
}

static double rule_weight(hd_signal_rules *rules, const char *type) {
    for (size_t i = 0; i < rules->n; i++)
        if (strcmp(rules->cache[i].type, type) == 0) return rules->cache[i].weight;
    double weight = rules->other;
    double named;
    if (hd_settings_weight(rules->settings, "recommend.signals", type, &named)) weight = named;
    size_t len = strlen(type);
    if (rules->n < HD_SIGNAL_CACHE && len < sizeof rules->cache[0].type) {
        memcpy(rules->cache[rules->n].type, type, len + 1);
        rules->cache[rules->n++].weight = weight;
    }
    return weight;
}

static double signal_weight(void *ctx, const char *type, double value) {
    hd_signal_rules *rules = ctx;
    double weight = rule_weight(rules, type);
    if (strcmp(type, "rating") == 0 && isfinite(value) && value < rules->min_rating) return 0;
    return weight;
}

hd_signals hd_signal_rules_get(hd_signal_rules *rules) {
    return (hd_signals){signal_weight, rules};
}
