"""The config that sessions in these tests run."""

CONFIG = {
    "workload_name": "writeback",
    "reward_metric": "transactions_per_second",
    "benchmark_command": "sealtune-sqlite --mix write",
    "action_space": [
        {"param": "vm.dirty_ratio", "min": 5, "max": 60},
        {"param": "vm.dirty_background_ratio", "min": 1, "max": 30},
        {"param": "vm.dirty_expire_centisecs", "min": 100, "max": 6000},
    ],
}
